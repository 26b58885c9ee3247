//! What `zeebe2faas callback` needs, of the same file.

use super::{
    Callback, Keys, OpenFaas, Replicas, Zeebe,
    files::keys,
    peers::{openfaas, zeebe},
    read::calls,
    replicas,
    section::Section,
    settings::reloaded,
    sockets::{callback, limits},
};
use crate::{listener::Limits, reload::Look};
use std::{path::Path, time::Duration};

/// The checked settings of `zeebe2faas callback`: those of `zeebe2faas run` that it needs.
#[derive(Debug, Clone)]
pub struct Relay {
    /// How Zeebe is reached.
    pub zeebe: Zeebe,
    /// How OpenFaaS is reached.
    pub openfaas: OpenFaas,
    /// Where callbacks arrive; their URL is not needed here, and may be empty.
    pub callback: Callback,
    /// What the listener bears.
    pub limits: Limits,
    /// How the bridges are reached that own the calls.
    pub replicas: Replicas,
    /// Keys.
    pub keys: Keys,
    /// How long Zeebe keeps a message for a receive task that is not there yet.
    pub message_ttl: Duration,
}

impl Relay {
    /// Everything that is made of files which may change while it runs.
    pub fn reloaded(&self) -> Vec<Box<dyn Look>> {
        reloaded(&self.keys, &self.zeebe, &self.callback).collect()
    }
}

/// What a listener for callbacks needs that keeps nothing.
pub(super) fn read(root: &Section<'_>, folder: &Path) -> Option<Relay> {
    let zeebe = zeebe(&root.section("zeebe"), folder);
    let openfaas = openfaas(&root.section("openfaas"), folder);
    let callback = callback(&root.section("callback"), folder, false);
    let keys = keys(&root.section("keys"), folder, false);
    Some(Relay {
        limits: limits(&root.section("listeners")),
        replicas: replicas::read(&root.section("replicas")),
        message_ttl: calls(&root.section("calls")).message_ttl,
        zeebe: zeebe?,
        openfaas: openfaas?,
        callback: callback?,
        keys: keys?,
    })
}
