//! Two replicas behind one callback address, one of them killed or cut off: every process ends, each function ran once.

use serde_json::Value;
use zeebe2faas_tests::crash::{Bridge, Calling, Point, Proxy, Setup, Site, counting};

const CALLS: usize = 6;
/// Two replicas: functions reach them through the site's callback proxy, they reach each other through their own.
struct Pair {
    site: Site,
    doors: [Proxy; 2],
    between: [Proxy; 2],
    replicas: Vec<Bridge>,
}

impl Pair {
    async fn new(name: &'static str, reply: &str) -> Self {
        let doors = [Proxy::http().await, Proxy::http().await];
        let between = [Proxy::http().await, Proxy::http().await];
        for (way, door) in between.iter().zip(&doors) {
            way.aim(door.url());
        }
        let configuration = format!(
            "functions.count.run_once = true\n\
             replicas = {{ timeout = \"5s\", retry = \"200ms\", peers = {{ r0 = \"{}\", r1 = \"{}\" }} }}",
            between[0].url(),
            between[1].url()
        );
        let mut process = Calling::new(name);
        process.headers.push(("reply", reply));
        let setup = Setup { configuration: &configuration, ..counting(&process) };
        let site = Site::with(name, setup).await;
        Self { site, doors, between, replicas: Vec::new() }
    }

    /// Starts the next replica.
    async fn start(&mut self) {
        let number = self.replicas.len();
        let (replica, ledger) = (format!("r{number}"), format!("r{number}.ledger"));
        let settings = [
            ("ZEEBE2FAAS_REPLICA", replica.as_str()),
            ("ZEEBE2FAAS_LEDGER_PATH", &ledger),
            ("ZEEBE2FAAS_CALLS_JOB_LOCK", "3s"),
            ("ZEEBE2FAAS_CALLS_HEARTBEAT_TIMEOUT", "2s"),
        ];
        self.replicas.push(self.site.bridge_behind(&self.doors[number], &settings).await);
    }

    /// Functions reach this replica from now on.
    fn aim_at(&self, number: usize) {
        self.site.callbacks.aim(self.doors[number].url());
    }

    /// Calls of the first replica, all of them running.
    async fn running(name: &'static str, reply: &str) -> (Self, Vec<tokio::task::JoinHandle<Value>>) {
        let mut pair = Self::new(name, reply).await;
        pair.site.hold_functions();
        pair.start().await;
        let instances = (0..CALLS).map(|number| pair.site.instance(&number.to_string())).collect();
        pair.site.ran(CALLS).await;
        let submitted = |calls: &[Value]| calls.len() == CALLS && calls.iter().all(|call| call["state"] == "submitted");
        pair.replicas[0].calls(submitted).await;
        pair.start().await;
        pair.aim_at(1);
        (pair, instances)
    }

    /// Every process has ended well, each function having run once.
    async fn all_end(&self, instances: Vec<tokio::task::JoinHandle<Value>>) {
        for instance in instances {
            assert!(self.site.succeeded(instance).await);
        }
        assert_eq!(self.site.runs(), (0..CALLS).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    /// The first replica knows how all its calls ended, and none counts any more.
    async fn the_first_knows(&self) {
        let ended =
            |call: &Value| call["state"] == "ended" && call["delivered"] == true && call["status"] == "succeeded";
        self.replicas[0].calls(|calls| calls.len() == CALLS && calls.iter().all(ended)).await;
    }
}

async fn one_is_killed(name: &'static str, reply: &str) {
    let (mut pair, instances) = Pair::running(name, reply).await;
    pair.replicas[0].kill().await;
    pair.site.release_functions();
    pair.all_end(instances).await;

    let Pair { doors, replicas, .. } = &mut pair;
    replicas[0].restart(&doors[0]).await;
    pair.the_first_knows().await;
}

async fn one_is_cut_off(name: &'static str, reply: &str) {
    let (pair, instances) = Pair::running(name, reply).await;
    let cut = pair.between[0].hold("/", Point::Request);
    pair.site.release_functions();
    cut.reached().await;
    pair.all_end(instances).await;
    cut.discard();
    pair.the_first_knows().await;
}

#[tokio::test]
async fn one_of_two_killed_with_messages_outstanding_nothing_is_lost_and_it_hears_of_it() {
    one_is_killed("replica-killed", "message").await;
}

#[tokio::test]
async fn one_of_two_killed_with_open_jobs_the_other_goes_on_with_them() {
    one_is_killed("replica-killed-job", "job").await;
}

#[tokio::test]
async fn one_of_two_cut_off_with_messages_outstanding_nothing_is_lost_and_it_hears_of_it() {
    one_is_cut_off("replica-cut-off", "message").await;
}

#[tokio::test]
async fn one_of_two_cut_off_with_open_jobs_nothing_is_lost_and_it_hears_of_it() {
    one_is_cut_off("replica-cut-off-job", "job").await;
}

/// The jobs of the killed one come to the other while the functions still run; its callbacks go there, too.
#[tokio::test]
async fn open_jobs_of_a_killed_replica_come_to_the_other_which_runs_nothing_twice() {
    let (mut pair, instances) = Pair::running("replica-takes-over", "job").await;
    pair.replicas[0].kill().await;
    // The locks end.
    pair.replicas[1].calls(|calls| calls.len() == CALLS && calls.iter().all(|call| call["state"] == "submitted")).await;
    pair.site.release_functions();
    pair.all_end(instances).await;

    let Pair { doors, replicas, .. } = &mut pair;
    replicas[0].restart(&doors[0]).await;
    pair.the_first_knows().await;
}

#[tokio::test]
async fn callbacks_that_reach_the_wrong_replica_are_handed_on() {
    let (pair, instances) = Pair::running("replica-wrong", "message").await;
    pair.site.release_functions();
    pair.all_end(instances).await;
    pair.the_first_knows().await;
    assert!(pair.between[0].seen("/callback/") >= CALLS);
    assert_eq!(pair.site.zeebe.seen("/PublishMessage"), CALLS);
}
