//! Requests at random, as far as there is something to ask.

use super::{
    dice::Dice,
    processes::{ERRORS, Processes},
};
use crate::run::{Missing, Run};
use serde_json::{Value, json};
use std::time::Duration;
use zeebe2faas::zeebe::{FailJob, Job};

const STEPS: usize = 20;
/// Rounds in which all that waits is done.
const ROUNDS: usize = 6;
/// Minutes; no sum of them is a duration of a process.
const PASSES: [u64; 2] = [15, 30];
const MINUTE: Duration = Duration::from_secs(60);
/// None of these is a sum of [`PASSES`] either.
const LOCK: Duration = Duration::from_secs(65 * 60);
const BACK_OFF: Duration = Duration::from_secs(10 * 60);
const LIFETIME: Duration = Duration::from_secs(25 * 60);

struct Player<'a> {
    run: &'a mut Run,
    processes: Processes,
    moves_clock: bool,
    held: Vec<Job>,
    instances: Vec<i64>,
}

/// Plays what a seed makes.
pub async fn play(run: &mut Run, seed: u64, moves_clock: bool) -> Result<(), Missing> {
    let processes = Processes::new(Dice::new(seed), moves_clock);
    for file in &processes.files {
        if !run.deploy_files(vec![("process.bpmn".to_owned(), file.clone())]).await {
            return Err(Missing(format!("a deployment of\n{file}")));
        }
    }
    let mut player = Player { run, processes, moves_clock, held: Vec::new(), instances: Vec::new() };
    player.start().await?;
    for _ in 0..STEPS {
        player.step().await?;
    }
    for _ in 0..ROUNDS {
        if !player.work_all().await {
            break;
        }
    }
    for instance in player.instances {
        player.run.cancel(instance).await;
    }
    Ok(())
}

impl Player<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.processes.dice().below(bound)
    }

    async fn start(&mut self) -> Result<(), Missing> {
        let items: Vec<usize> = (0..self.below(4)).collect();
        let variables = json!({ "n": self.below(6), "items": items, "id": "k" });
        let instance = self.run.start("p", variables).await?;
        self.instances.push(instance);
        Ok(())
    }

    async fn step(&mut self) -> Result<(), Missing> {
        match self.below(20) {
            0..5 => self.activate().await,
            5..11 => self.end_a_job().await,
            11..13 => self.change_a_job().await,
            13..15 => self.publish().await,
            15..17 => self.resolve().await,
            17 if self.moves_clock => self.pass().await,
            18 => {
                let variables = self.variables();
                let local = self.below(2) == 0;
                self.run.set_variables(self.instances[0], variables, local).await;
            }
            19 if self.instances.len() < 3 => self.start().await?,
            _ if self.moves_clock => self.pass().await,
            _ => self.activate().await,
        }
        Ok(())
    }

    fn variables(&mut self) -> Value {
        match self.below(6) {
            0 => json!({}),
            1 => json!({ "n": self.below(6) }),
            2 => json!({ "a": { "b": self.below(3) }, "r": "text" }),
            3 => json!({ "b": null, "c": 1.5, "n": self.below(6) }),
            4 => json!({ "items": [self.below(6), 2] }),
            _ => json!({ "a": self.below(3), "item": 9, "fresh": [] }),
        }
    }

    async fn activate(&mut self) {
        if self.processes.job_types.is_empty() {
            return;
        }
        let choice = self.below(self.processes.job_types.len());
        let job_type = self.processes.job_types[choice].clone();
        self.take(&job_type).await;
    }

    async fn take(&mut self, job_type: &str) {
        let mut query = self.run.query(job_type);
        query.lock = LOCK;
        let jobs = self.run.jobs_by(&query).await;
        self.held.extend(jobs);
    }

    async fn end_a_job(&mut self) {
        if self.held.is_empty() {
            return self.activate().await;
        }
        let choice = self.below(self.held.len());
        let job = self.held.swap_remove(choice);
        let variables = self.variables();
        match self.below(10) {
            0..6 => self.run.complete(&job, variables).await,
            6..8 => {
                let (retries, paused) = (self.below(3) as i32, self.below(2) == 0 && self.moves_clock);
                let back_off = if paused { BACK_OFF } else { Duration::ZERO };
                let failure = FailJob { key: job.key, retries, back_off, message: "random".to_owned(), variables };
                self.run.fail_with(failure).await;
            }
            _ => {
                let code = self.processes.dice().of(&ERRORS);
                self.run.throw(&job, code, variables).await;
            }
        }
    }

    async fn change_a_job(&mut self) {
        if self.held.is_empty() {
            return self.activate().await;
        }
        let choice = self.below(self.held.len());
        let job = self.held[choice].clone();
        match self.below(3) {
            0 => {
                let retries = self.below(4) as i32;
                self.run.set_retries(&job, retries).await;
            }
            1 if self.moves_clock => self.run.set_timeout(&job, 5 * MINUTE).await,
            _ => {
                let variables = self.variables();
                let local = self.below(2) == 0;
                self.run.set_variables(job.element_instance_key, variables, local).await;
            }
        }
    }

    async fn publish(&mut self) {
        if self.processes.messages.is_empty() {
            return self.activate().await;
        }
        let choice = self.below(self.processes.messages.len());
        let name = self.processes.messages[choice].clone();
        let key = self.processes.dice().of(&["k", "k", "k", "other"]);
        let id = self.processes.dice().of(&["", "", "1"]);
        let time_to_live = self.processes.dice().of(&[Duration::ZERO, LIFETIME]);
        let variables = self.variables();
        self.run.publish_with(&name, key, id, time_to_live, variables).await;
    }

    async fn resolve(&mut self) {
        let Ok(incident) = self.run.incident() else { return self.activate().await };
        let held = self.held.first().cloned();
        if let Some(job) = held
            && self.below(2) == 0
        {
            self.run.set_retries(&job, 1).await;
        }
        self.run.resolve(incident).await;
    }

    async fn pass(&mut self) {
        let minutes = self.processes.dice().of(&PASSES);
        self.run.advance(minutes).await;
    }

    /// Everything that waits is done, as far as it can be. Whether there was something to do.
    async fn work_all(&mut self) -> bool {
        let mut some = self.moves_clock;
        for job_type in self.processes.job_types.clone() {
            self.take(&job_type).await;
            for job in std::mem::take(&mut self.held) {
                some = true;
                let variables = self.variables();
                self.run.complete(&job, variables).await;
            }
        }
        for name in self.processes.messages.clone() {
            let variables = self.variables();
            self.run.publish(&name, "k", variables).await;
        }
        if let Ok(incident) = self.run.incident() {
            self.run.resolve(incident).await;
        }
        if self.moves_clock {
            self.run.advance(PASSES[1]).await;
        }
        some
    }
}
