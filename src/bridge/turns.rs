//! How many callbacks of one call are taken at once. Whoever knows a call's URL can send slow bodies to it: that holds
//! up this call, and no other.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use zeebe2faas_contract::CallId;

/// OpenFaaS sends one; a call that ran twice has two.
const MOST_OF_ONE_CALL: usize = 4;

/// The callbacks under way, by call.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<CallId, usize>>);

/// One callback's turn; it ends when dropped.
pub struct Turn<'a> {
    turns: &'a Turns,
    id: CallId,
}

impl Turns {
    /// A turn for a callback of this call, if not too many are under way.
    pub fn begin(&self, id: &CallId) -> Option<Turn<'_>> {
        let mut under_way = self.lock();
        let count = under_way.entry(id.clone()).or_default();
        if *count >= MOST_OF_ONE_CALL {
            return None;
        }
        *count += 1;
        Some(Turn { turns: self, id: id.clone() })
    }

    /// A panic elsewhere cannot leave a map half-changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut under_way = self.turns.lock();
        match under_way.get_mut(&self.id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(under_way.remove(&self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_turns_of_its_own_which_come_back() {
        let (turns, one, other) = (Turns::default(), CallId::new("c", 1, 1), CallId::new("c", 2, 1));
        let mut taken: Vec<_> = (0..MOST_OF_ONE_CALL).map(|_| turns.begin(&one)).collect();
        assert!(taken.iter().all(Option::is_some));
        assert!(turns.begin(&one).is_none());
        assert!(turns.begin(&other).is_some());
        taken.pop();
        assert!(turns.begin(&one).is_some());
        drop(taken);
        assert!(turns.lock().is_empty());
    }
}
