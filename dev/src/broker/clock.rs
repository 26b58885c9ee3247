use super::{Broker, BrokerError};
use std::time::Duration;

/// Its clock can be moved, and what it looks for at intervals it looks for at once.
pub const CONTROLLED: [(&str, &str); 3] = [
    ("ZEEBE_CLOCK_CONTROLLED", "true"),
    ("ZEEBE_BROKER_EXPERIMENTAL_ENGINE_MESSAGES_TTLCHECKERINTERVAL", "100ms"),
    ("ZEEBE_BROKER_EXPERIMENTAL_ENGINE_JOBS_TIMEOUTCHECKERPOLLINGINTERVAL", "100ms"),
];

impl Broker {
    /// Moves the broker's clock forward. What is due then happens soon after, not before this returns.
    ///
    /// # Errors
    ///
    /// Where it was started without [`controlled_clock`](super::BrokerOptions::controlled_clock).
    pub async fn advance_clock(&self, by: Duration) -> Result<(), BrokerError> {
        let url = format!("http://127.0.0.1:{}/actuator/clock/add", self.ports.management);
        let order = serde_json::json!({ "offsetMilli": u64::try_from(by.as_millis()).unwrap_or(u64::MAX) });
        let client = zeebe2faas::tls::plain_http().timeout(Duration::from_secs(10)).build()?;
        client.post(url).json(&order).send().await?.error_for_status()?;
        Ok(())
    }
}
