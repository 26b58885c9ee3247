//! A process at random, of everything that the engine takes.

use super::dice::Dice;
use crate::bpmn::{Bpmn, Each, Event, Timer};

/// How deep blocks stand in each other.
const DEEPEST: usize = 3;
/// Elements of all processes of a seed, about.
const MOST_ELEMENTS: usize = 24;
/// None of them comes to the same time as another one, or as a step of the script.
const DURATIONS: [&str; 4] = ["PT10M", "PT20M", "PT40M", "PT50M"];
const CONDITIONS: [&str; 6] =
    ["=n > 3", "=n < 2", "=a = null", "=count(items) > 1", "=b = \"big\" or n = 1", "=some i in items satisfies i = n"];
const SOURCES: [&str; 12] = [
    "=n + 1",
    "=n",
    "=items",
    "=items[item > 1]",
    "=if n > 2 then \"big\" else \"small\"",
    "={a: n, b: [a, b]}",
    "=for i in items return i * n",
    "=missing",
    "=a.b",
    "=count(items) + n",
    "=get or else(b, 0)",
    "text",
];
const TARGETS: [&str; 4] = ["a", "b", "c.d", "c.e.f"];
pub const ERRORS: [&str; 2] = ["E1", "E2"];

/// The processes of a seed, and what they wait for.
#[derive(Debug)]
pub struct Processes {
    /// The last one is started; it may call the others.
    pub files: Vec<String>,
    pub job_types: Vec<String>,
    pub messages: Vec<String>,
    dice: Dice,
    timers: bool,
    elements: usize,
}

impl Processes {
    pub fn new(dice: Dice, timers: bool) -> Self {
        let (files, job_types, messages) = (Vec::new(), Vec::new(), Vec::new());
        let mut made = Self { files, job_types, messages, dice, timers, elements: 0 };
        if made.dice.once_in(2) {
            let child = made.blocks(Bpmn::process("child"), 2, 1).end("child-end");
            made.files.push(child.xml());
        }
        let process = made.blocks(Bpmn::process("p"), 0, 2).end("end");
        made.files.push(process.xml());
        made
    }

    /// The dice go on to the script.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    fn id(&mut self, kind: &str) -> String {
        self.elements += 1;
        format!("{kind}{}", self.elements)
    }

    /// One block or more, one after the other.
    fn blocks(&mut self, mut bpmn: Bpmn, depth: usize, least: usize) -> Bpmn {
        let more = self.dice.below(2);
        for _ in 0..least + more {
            bpmn = self.block(bpmn, depth);
        }
        bpmn
    }

    fn block(&mut self, bpmn: Bpmn, depth: usize) -> Bpmn {
        let simple = depth >= DEEPEST || self.elements > MOST_ELEMENTS;
        match self.dice.below(if simple { 5 } else { 13 }) {
            0 | 1 | 12 => self.activity(bpmn, depth),
            2 => self.wait(bpmn),
            3 => {
                let id = self.id("pass");
                self.outputs(bpmn.pass(&id))
            }
            4 => self.task(bpmn),
            5 | 6 => self.exclusive(bpmn, depth),
            7 | 8 => self.parallel(bpmn, depth),
            9 => self.looped(bpmn),
            _ => self.subprocess(bpmn, depth),
        }
    }

    fn task(&mut self, bpmn: Bpmn) -> Bpmn {
        let id = self.id("task");
        self.job_types.push(id.clone());
        let bpmn = self.inputs(bpmn.task(&id));
        self.outputs(bpmn)
    }

    /// A task or a call, perhaps many times, perhaps with boundary events.
    fn activity(&mut self, bpmn: Bpmn, depth: usize) -> Bpmn {
        let calls = !self.files.is_empty() && depth < 2 && self.dice.once_in(3);
        let bpmn = if calls {
            let id = self.id("call");
            let attributes = self.dice.of(&[
                "",
                r#"propagateAllChildVariables="false""#,
                r#"propagateAllChildVariables="false" propagateAllParentVariables="false""#,
            ]);
            let bpmn = self.inputs(bpmn.call(&id, "child", attributes));
            self.outputs(bpmn)
        } else {
            self.task(bpmn)
        };
        let bpmn = self.many(bpmn);
        self.boundaries(bpmn)
    }

    fn wait(&mut self, bpmn: Bpmn) -> Bpmn {
        let id = self.id("wait");
        if self.timers && self.dice.once_in(2) {
            let after = self.dice.of(&DURATIONS);
            return self.outputs(bpmn.catch(&id, Event::Timer(Timer::After(after))));
        }
        let message = self.message();
        let bpmn = if self.dice.once_in(2) {
            bpmn.receive(&id, &message, "=id")
        } else {
            bpmn.catch(&id, Event::Message(&message, "=id"))
        };
        self.outputs(bpmn)
    }

    fn message(&mut self) -> String {
        let name = format!("m{}", self.dice.below(3));
        if !self.messages.contains(&name) {
            self.messages.push(name.clone());
        }
        name
    }

    fn exclusive(&mut self, mut bpmn: Bpmn, depth: usize) -> Bpmn {
        let (gate, merge) = (self.id("gate"), self.id("merge"));
        bpmn = bpmn.exclusive(&gate);
        for branch in 0..2 + self.dice.below(2) {
            let condition = self.dice.of(&CONDITIONS);
            bpmn = bpmn.from(&gate);
            // Without a default flow there may be an incident.
            bpmn = if branch == 0 && !self.dice.once_in(4) { bpmn.otherwise() } else { bpmn.when(condition) };
            bpmn = self.blocks(bpmn, depth + 1, 1);
            bpmn = if branch == 0 { bpmn.exclusive(&merge) } else { bpmn.to(&merge) };
        }
        bpmn.from(&merge)
    }

    fn parallel(&mut self, mut bpmn: Bpmn, depth: usize) -> Bpmn {
        let (fork, join) = (self.id("fork"), self.id("join"));
        bpmn = bpmn.parallel(&fork);
        for branch in 0..2 + self.dice.below(2) {
            bpmn = self.blocks(bpmn.from(&fork), depth + 1, 1);
            bpmn = if branch == 0 { bpmn.parallel(&join) } else { bpmn.to(&join) };
        }
        bpmn.from(&join)
    }

    /// A task that is done until its counter is high enough.
    fn looped(&mut self, bpmn: Bpmn) -> Bpmn {
        let (again, task, enough) = (self.id("again"), self.id("task"), self.id("enough"));
        self.job_types.push(task.clone());
        let round = format!("round{}", self.elements);
        let counted = format!("=get or else({round}, 0) + 1");
        let bpmn = bpmn.exclusive(&again).task(&task).output(&counted, &round).exclusive(&enough);
        bpmn.when(&format!("={round} < 2")).to(&again).from(&enough).otherwise()
    }

    fn subprocess(&mut self, bpmn: Bpmn, depth: usize) -> Bpmn {
        let (id, end) = (self.id("sub"), self.id("end"));
        let event = match self.dice.below(6) {
            0 => Event::Terminate,
            1 => Event::Error(self.dice.of(&ERRORS)),
            _ => Event::None,
        };
        let bpmn = bpmn.sub(&id, |sub| self.blocks(sub, depth + 1, 1).end_with(&end, event));
        let bpmn = self.inputs(bpmn);
        let bpmn = self.outputs(bpmn);
        let bpmn = self.many(bpmn);
        self.boundaries(bpmn)
    }

    /// Perhaps the last activity is done for each item.
    fn many(&mut self, bpmn: Bpmn) -> Bpmn {
        if !self.dice.once_in(3) {
            return bpmn;
        }
        let collects = self.dice.once_in(2);
        bpmn.each(Each {
            sequential: self.dice.once_in(2),
            of: self.dice.of(&["=items", "=items", "=[n, n + 1]", "=[]", "=n"]),
            named: "item",
            into: if collects { "results" } else { "" },
            result: if collects { self.dice.of(&["=item", "=a", "=[item, n]"]) } else { "" },
            until: self.dice.of(&["", "", "=n > 4", "=numberOfCompletedInstances >= 2"]),
        })
    }

    /// Perhaps the last activity has boundary events, each with a way of its own.
    fn boundaries(&mut self, mut bpmn: Bpmn) -> Bpmn {
        let host = bpmn.last_id();
        let first = self.dice.below(4);
        for kind in first..4.min(first + self.dice.below(3)) {
            let (id, end) = (self.id("boundary"), self.id("end"));
            bpmn = match kind {
                0 => bpmn.boundary(&id, &host, Event::Error(self.dice.of(&["E1", ""]))),
                1 => {
                    let message = self.message();
                    bpmn.boundary_beside(&id, &host, Event::Message(&message, "=id"))
                }
                2 if self.timers => {
                    let timer = Event::Timer(Timer::After(self.dice.of(&DURATIONS)));
                    if self.dice.once_in(2) {
                        bpmn.boundary(&id, &host, timer)
                    } else {
                        bpmn.boundary_beside(&id, &host, timer)
                    }
                }
                _ => bpmn.boundary(&id, &host, Event::Message(&format!("stop-{host}"), "=id")),
            };
            if kind == 3 || (kind == 2 && !self.timers) {
                self.messages.push(format!("stop-{host}"));
            }
            bpmn = self.outputs(bpmn);
            bpmn = self.task(bpmn).end(&end);
            if kind == 2 && !self.timers {
                break;
            }
        }
        bpmn.from(&host)
    }

    fn inputs(&mut self, mut bpmn: Bpmn) -> Bpmn {
        while self.dice.once_in(3) {
            bpmn = bpmn.input(self.dice.of(&SOURCES), self.dice.of(&TARGETS));
        }
        bpmn
    }

    fn outputs(&mut self, mut bpmn: Bpmn) -> Bpmn {
        while self.dice.once_in(4) {
            // An output needs an expression.
            let source = self.dice.of(&SOURCES[..SOURCES.len() - 1]);
            bpmn = bpmn.output(source, self.dice.of(&TARGETS));
        }
        bpmn
    }
}
