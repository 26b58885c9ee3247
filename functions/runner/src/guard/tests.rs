#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use std::sync::Barrier;
use tempfile::TempDir;

fn guard() -> (TempDir, Guard, CallId) {
    let folder = TempDir::new().unwrap();
    let guard = Guard::open(folder.path(), "f").unwrap();
    (folder, guard, CallId::new("c", 1, 1))
}

fn owner(guard: &Guard, id: &CallId) -> Owner {
    match guard.look(id).unwrap() {
        Record::Owned(owner) => owner,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_many_that_begin_at_once_one_owns() {
    let (_folder, guard, id) = guard();
    let barrier = Barrier::new(8);
    let begin = || {
        barrier.wait();
        guard.begin(&id, u64::MAX).unwrap().is_some()
    };
    let won = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|&won| won).count()
    });
    assert_eq!(won, 1);
    assert_eq!(fs::read_dir(&guard.moving).unwrap().count(), 0, "nothing stays behind");
}

#[test]
fn of_many_that_take_over_one_owns_and_the_old_owner_can_do_nothing() {
    let (_folder, guard, id) = guard();
    let mut old = guard.begin(&id, u64::MAX).unwrap().unwrap();
    let dead = owner(&guard, &id);
    let barrier = Barrier::new(8);
    let take = || {
        barrier.wait();
        guard.take_over(&id, Some(&dead)).unwrap()
    };
    let claims: Vec<Claim> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(claims.len(), 1);
    assert!(!old.beat().unwrap() && !old.end(b"old").unwrap() && !old.release().unwrap());
    assert!(claims[0].end(b"new").unwrap());
    assert_eq!(guard.look(&id).unwrap(), Record::Ended(b"new".to_vec()));
}

#[test]
fn an_owner_that_advances_at_the_last_moment_keeps_its_call() {
    let (_folder, guard, id) = guard();
    let mut claim = guard.begin(&id, u64::MAX).unwrap().unwrap();
    let seen = owner(&guard, &id);
    assert!(claim.beat().unwrap());
    assert!(guard.take_over(&id, Some(&seen)).unwrap().is_none());
    assert!(claim.end(b"report").unwrap());
}

#[test]
fn a_released_call_is_taken_by_one() {
    let (_folder, guard, id) = guard();
    assert!(guard.begin(&id, u64::MAX).unwrap().unwrap().release().unwrap());
    assert_eq!(guard.look(&id).unwrap(), Record::Free);
    assert!(guard.take_over(&id, None).unwrap().is_some());
    assert!(guard.take_over(&id, None).unwrap().is_none());
}

#[test]
fn a_buried_call_cannot_begin_and_a_begun_one_not_be_buried() {
    let (_folder, guard, id) = guard();
    assert!(guard.bury(&id, b"gone", u64::MAX).unwrap());
    assert!(guard.begin(&id, u64::MAX).unwrap().is_none());
    assert_eq!(guard.look(&id).unwrap(), Record::Ended(b"gone".to_vec()));
    let other = CallId::new("c", 2, 1);
    assert!(guard.begin(&other, u64::MAX).unwrap().is_some());
    assert!(!guard.bury(&other, b"gone", u64::MAX).unwrap());
}

#[test]
fn only_what_has_expired_is_removed() {
    let (_folder, guard, id) = guard();
    let kept = CallId::new("c", 2, 1);
    assert!(guard.bury(&id, b"", now_ms() - 1).unwrap() && guard.bury(&kept, b"", u64::MAX).unwrap());
    assert_eq!(guard.purge().unwrap(), 1);
    assert_eq!(guard.look(&id).unwrap(), Record::Unknown);
    assert_ne!(guard.look(&kept).unwrap(), Record::Unknown);
}

#[test]
fn a_reader_never_misses_the_owner_while_it_advances() {
    let (_folder, guard, id) = guard();
    let mut claim = guard.begin(&id, u64::MAX).unwrap().unwrap();
    thread::scope(|scope| {
        let beating = scope.spawn(move || (0..200).all(|_| claim.beat().unwrap()));
        while !beating.is_finished() {
            assert!(matches!(guard.look(&id).unwrap(), Record::Owned(_)));
        }
        assert!(beating.join().unwrap());
    });
}
