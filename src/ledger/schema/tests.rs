#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::ledger::Ledger;
use std::{collections::BTreeMap, fs};

/// A ledger with some rows, all of them still in its log, as after a SIGKILL.
fn killed(folder: &Path) -> PathBuf {
    let (living, path) = (folder.join("living"), folder.join("ledger"));
    let connection = open(&living).unwrap();
    for number in 0..100 {
        insert(&connection, number);
    }
    for ending in ["", "-wal"] {
        fs::copy(format!("{}{ending}", living.display()), format!("{}{ending}", path.display())).unwrap();
    }
    path
}

/// A row of this number in every column, whatever columns there are.
fn insert(connection: &Connection, number: i64) {
    let columns = "SELECT group_concat(name), group_concat(iif(type = 'TEXT', quote(?1 || ''), ?1))
                   FROM pragma_table_info('calls')";
    let (names, values): (String, String) =
        connection.query_row(columns, [number], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    connection.execute(&format!("INSERT INTO calls ({names}) VALUES ({values})"), []).unwrap();
}

fn rows(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).unwrap()
}

/// Every file of the ledger that holds anything. SQLite's shared memory (-shm) holds nothing that lasts.
fn contents(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = [String::new(), "-wal".to_owned()].map(|ending| format!("{}{ending}", path.display()));
    let full = files.into_iter().filter_map(|file| Some((file.clone(), fs::read(file).ok()?)));
    full.filter(|(_, bytes)| !bytes.is_empty()).collect()
}

#[track_caller]
fn is_refused_untouched(path: &Path, words: &str) {
    let before = contents(path);
    for _ in 0..2 {
        let error = Ledger::open(path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(&path.display().to_string()), "{error}");
        assert!(contents(path) == before, "{} was changed", path.display());
    }
}

#[test]
fn what_is_no_ledger_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "call_id,state\n".repeat(1000)).unwrap();
    is_refused_untouched(&path("text"), "move it away or restore it");
    fs::write(path("empty"), "").unwrap();
    is_refused_untouched(&path("empty"), "it is empty");
    assert_eq!(fs::metadata(path("empty")).unwrap().len(), 0);

    let other = Connection::open(path("other")).unwrap();
    other.execute_batch("CREATE TABLE calls (call_id TEXT); INSERT INTO calls VALUES ('x')").unwrap();
    other.close().unwrap();
    is_refused_untouched(&path("other"), "it is not a ledger");
}

#[test]
fn a_newer_ledger_is_refused_and_stays_as_it_is_its_log_included() {
    let folder = tempfile::tempdir().unwrap();
    let (path, newer) = (folder.path().join("ledger"), folder.path().join("newer"));
    let connection = open(&path).unwrap();
    insert(&connection, 1);
    connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
    for ending in ["", "-wal"] {
        fs::copy(format!("{}{ending}", path.display()), format!("{}{ending}", newer.display())).unwrap();
    }
    assert!(contents(&newer).len() == 2, "the log holds something");
    is_refused_untouched(&newer, "use the program that wrote it");
}

#[test]
fn a_damaged_ledger_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let connection = open(&path).unwrap();
    (0..1000).for_each(|number| insert(&connection, number));
    connection.close().unwrap();
    let whole = fs::read(&path).unwrap();

    let mut garbled = whole.clone();
    garbled[4096 * 3..4096 * 5].fill(0xa5);
    fs::write(&path, garbled).unwrap();
    is_refused_untouched(&path, "damaged");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    is_refused_untouched(&path, "damaged");
    fs::write(&path, &whole[..50]).unwrap();
    is_refused_untouched(&path, "damaged");

    fs::write(&path, &whole).unwrap();
    drop(Ledger::open(&path).unwrap());
}

#[test]
fn a_log_without_its_ledger_is_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = killed(folder.path());
    fs::remove_file(&path).unwrap();
    is_refused_untouched(&path, "its log (-wal) is there");
    assert!(!path.exists());
}

#[test]
fn a_half_written_log_costs_only_what_was_never_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = killed(folder.path());
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let mut half = fs::read(&log).unwrap();
    half.truncate(half.len() - 1000);
    half.extend([0xa5; 500]);
    fs::write(&log, half).unwrap();

    drop(open(&path).unwrap());

    let rows = rows(&path);
    assert_eq!(rows, 99, "only the last change was cut");
}

#[test]
fn an_attempt_to_make_a_ledger_that_a_crash_cut_off_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    fs::write(folder.path().join("ledger.new"), "half").unwrap();
    fs::write(folder.path().join("ledger.new-journal"), "half").unwrap();
    drop(open(&path).unwrap());
    assert_eq!(rows(&path), 0);
    assert!(!folder.path().join("ledger.new").exists());
}

#[test]
fn file_systems_of_a_network_are_known_and_local_ones_are_not() {
    // As statfs(2) lists them; CIFS also as a platform with a signed f_type gives it.
    for (f_type, name) in [
        (0x6969, "NFS"),
        (0xff53_4d42, "CIFS"),
        (0xffff_ffff_ff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x0bd0_0bd0, "Lustre"),
        (0x00c3_6400, "Ceph"),
    ] {
        assert_eq!(known_network_file_system(f_type), Some(name), "{f_type:#x}");
    }
    // ext4, XFS, Btrfs, tmpfs, overlayfs.
    for f_type in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630] {
        assert_eq!(known_network_file_system(f_type), None, "{f_type:#x}");
    }
}
