//! Killed again and again, wherever it happens to be.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeebe2faas_tests::crash::Site;

const CALLS: usize = 20;
const KILLS: usize = 10;
const SHORTEST_LIFE_MS: u64 = 50;
const LONGEST_LIFE_MS: u64 = 1_500;
/// Names a run that is to be repeated.
const SEED: &str = "KILL_SEED";

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let drawn = || u64::try_from(now).unwrap();
    let seed = std::env::var(SEED).map_or_else(|_| drawn(), |text| text.parse().unwrap());
    println!("{SEED}={seed}");
    seed.max(1)
}

#[tokio::test]
async fn killed_at_random_moments_it_runs_each_of_many_calls_once() {
    let mut random = Random(seed());
    let site = Site::new("kill-at-random").await;
    let mut bridge = site.bridge().await;
    let names: Vec<String> = (0..CALLS).map(|number| format!("call-{number:02}")).collect();
    let mut instances = Vec::new();
    for (number, name) in names.iter().enumerate() {
        instances.push(site.instance(name));
        // The calls begin while it is killed, not all before.
        if number % (CALLS / KILLS) == 0 {
            let life = SHORTEST_LIFE_MS + random.next() % (LONGEST_LIFE_MS - SHORTEST_LIFE_MS);
            tokio::time::sleep(Duration::from_millis(life)).await;
            bridge.kill().await;
            bridge.restart(&site.callbacks).await;
        }
    }

    for (name, instance) in names.iter().zip(instances) {
        assert!(site.succeeded(instance).await, "{name}");
    }
    assert_eq!(site.runs(), names);
}
