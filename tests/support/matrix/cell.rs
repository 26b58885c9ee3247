//! One cell: its name, and how it is gone through.

use super::{Fault, Mode, Step, meaning, restart::Ticket, stage::Stage, verdict};
use std::{fmt, str::FromStr};

/// Which faults at which step, in which reply mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The reply mode.
    pub mode: Mode,
    /// Where the calls are.
    pub step: Step,
    /// What happens then.
    pub fault: Fault,
}

/// All of them, the meaningless ones too.
pub fn cells() -> Vec<Cell> {
    let steps = Mode::ALL.into_iter().flat_map(|mode| Step::ALL.into_iter().map(move |step| (mode, step)));
    steps.flat_map(|(mode, step)| Fault::ALL.into_iter().map(move |fault| Cell { mode, step, fault })).collect()
}

/// `REPLY/STEP/FAULT`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.mode.name(), self.step.name(), self.fault.name())
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        cells().into_iter().find(|cell| cell.to_string() == text).ok_or_else(|| format!("there is no cell `{text}`"))
    }
}

impl Cell {
    /// Why the fault cannot happen at this step; nothing where it can.
    pub const fn without_meaning(self) -> Option<&'static str> {
        meaning::reason(self.step, self.fault)
    }

    /// Goes through it with so many calls.
    ///
    /// # Errors
    /// What went wrong with which calls.
    pub(super) async fn run(
        self,
        address: String,
        log: std::path::PathBuf,
        calls: usize,
        restart: Option<Ticket>,
    ) -> Result<(), String> {
        let mut stage = Stage::set_up(self, address, log, calls).await;
        let stopped = self.step.reach(&mut stage).await;
        let happened = self.fault.happen(&mut stage, stopped, restart).await;
        let result = happened.and(verdict::read(&stage).await);
        if result.is_err() {
            stage.bridges.iter().for_each(|bridge| eprintln!("{self}, the bridge's log:\n{}", bridge.log()));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_is_found_by_its_name() {
        assert_eq!(cells().len(), 2 * 10 * 11);
        for cell in cells() {
            assert_eq!(cell.to_string().parse(), Ok(cell));
        }
    }

    #[test]
    fn each_fault_can_happen_at_several_steps() {
        for fault in Fault::ALL {
            let with_meaning = cells().into_iter().filter(|c| c.fault == fault && c.without_meaning().is_none());
            assert!(with_meaning.count() >= 6, "{fault:?}");
        }
    }
}
