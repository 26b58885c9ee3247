use super::{Context, Failure, block_on};
use crate::{config, tls::plain_http};
use clap::Args;
use std::time::Duration;

/// A container's health check has no more patience than this.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(super) struct Health {
    /// What to ask instead, as http://HOST:PORT/PATH [default: /healthz at admin.listen of the configuration]
    url: Option<String>,
}

impl Health {
    pub(super) fn execute(self, context: &Context) -> Result<(), Failure> {
        let url = match self.url {
            Some(url) => url,
            None => {
                let (admin, _) = config::load_admin(context.config.as_deref(), &context.environment)?;
                format!("http://{admin}/healthz")
            }
        };
        block_on(async {
            let client = plain_http().timeout(TIMEOUT).build();
            let client = client.map_err(|error| Failure::Failed(format!("no HTTP client: {error}")))?;
            match client.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(Failure::Failed(format!("{url} answers HTTP {}", answer.status().as_u16()))),
                Err(error) if error.is_builder() => Err(Failure::Usage(format!("`{url}` is not a URL"))),
                Err(error) => {
                    Err(Failure::Unreachable(format!("{url}: {}", crate::transport::Failure::from(error).reason)))
                }
            }
        })
    }
}
