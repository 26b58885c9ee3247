//! Zeebe: reachable, known, and with a leader for each partition.

use super::Finding;
use crate::{
    app::zeebe_settings,
    config::Settings,
    zeebe::{Client, Error, Retry, Topology},
};

/// The first minor version of 8 that this program is made for, and the one it is tested with.
const FIRST_MINOR: u32 = 6;
const TESTED: &str = "8.6.0";

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let asked = match Client::new(&zeebe_settings(&settings.zeebe)) {
        Ok(client) => client.topology(Retry::Never).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(topology) => {
            let words = format!("{} answers, with {} broker(s)", settings.zeebe.address, topology.brokers.len());
            vec![Finding::ok("zeebe", words), version(&topology.gateway_version), partitions(&topology)]
        }
        Err(error) => {
            let advice = match &error {
                Error::Denied { .. } => "check the credentials under [zeebe]",
                Error::Unreachable { .. } => "check zeebe.address (ZEEBE_ADDRESS), and that nothing blocks the port",
                _ => "see the gateway's log",
            };
            let skipped = |name: &str| Finding::skipped(name, "Zeebe does not answer");
            vec![
                Finding::failed("zeebe", error.to_string(), advice),
                skipped("zeebe version"),
                skipped("zeebe partitions"),
            ]
        }
    }
}

fn version(version: &str) -> Finding {
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(8), Some(minor)) if minor >= FIRST_MINOR => Finding::ok("zeebe version", version),
        (Some(8), Some(_)) => Finding::warning(
            "zeebe version",
            version,
            format!("upgrade to 8.{FIRST_MINOR} or later; {TESTED} is tested"),
        ),
        _ => Finding::warning("zeebe version", format!("`{version}` is not known"), format!("{TESTED} is tested")),
    }
}

fn partitions(topology: &Topology) -> Finding {
    let name = "zeebe partitions";
    let advice = "see the brokers' logs and disks; jobs and messages of these partitions wait";
    let of = |id: i32| topology.brokers.iter().flat_map(|broker| &broker.partitions).filter(move |part| part.id == id);
    let leaderless: Vec<String> =
        (1..=topology.partitions).filter(|id| !of(*id).any(|part| part.leader)).map(|id| id.to_string()).collect();
    if !leaderless.is_empty() {
        return Finding::failed(name, format!("no leader for {}", leaderless.join(", ")), advice);
    }
    let ill: Vec<String> =
        (1..=topology.partitions).filter(|id| of(*id).any(|part| !part.healthy)).map(|id| id.to_string()).collect();
    if !ill.is_empty() {
        return Finding::failed(name, format!("unhealthy: {}", ill.join(", ")), advice);
    }
    let size = usize::try_from(topology.cluster_size).unwrap_or_default();
    if topology.brokers.len() < size {
        let words = format!("{} of {size} brokers are there", topology.brokers.len());
        return Finding::warning(name, words, "see the missing brokers");
    }
    Finding::ok(name, format!("{} with a leader and healthy", topology.partitions))
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};
    use crate::zeebe::{Broker, Partition};

    #[test]
    fn versions_from_8_6_are_good_and_others_are_named() {
        for (text, state) in [
            ("8.6.0", State::Ok),
            ("8.10.1-rc1", State::Ok),
            ("8.5.2", State::Warning),
            ("9.0.0", State::Warning),
            ("fake", State::Warning),
            ("", State::Warning),
        ] {
            assert_eq!(version(text).state, state, "{text}");
        }
    }

    #[test]
    fn a_partition_without_leader_or_health_and_a_missing_broker_are_found() {
        let broker = |partitions: &[(i32, bool, bool)]| Broker {
            node: 0,
            address: String::new(),
            version: String::new(),
            partitions: partitions.iter().map(|&(id, leader, healthy)| Partition { id, leader, healthy }).collect(),
        };
        let topology = |partitions, brokers| Topology {
            gateway_version: String::new(),
            cluster_size: 2,
            partitions,
            replication_factor: 1,
            brokers,
        };
        for (partitions_count, brokers, state, part) in [
            (1, vec![broker(&[(1, true, true)]), broker(&[(1, false, true)])], State::Ok, "1 with a leader"),
            (2, vec![broker(&[(1, true, true)]), broker(&[])], State::Failed, "no leader for 2"),
            (1, vec![broker(&[(1, true, true)]), broker(&[(1, false, false)])], State::Failed, "unhealthy: 1"),
            (1, vec![broker(&[(1, true, true)])], State::Warning, "1 of 2 brokers"),
        ] {
            let found = partitions(&topology(partitions_count, brokers));
            assert!(found.state == state && found.message.contains(part), "{found:?}");
        }
    }
}
