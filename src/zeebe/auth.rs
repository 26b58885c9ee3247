//! Who the client is: what goes into the header `authorization` of every request.

use super::{Error, Settings, tokens::Tokens};
use crate::{reload::Reloaded, secret::Secret};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::ClientConfig;
use std::sync::Arc;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
};

/// How the client shows who it is.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// Not at all, or by its TLS certificate alone.
    #[default]
    None,
    /// User and password with every request.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: Reloaded<Secret>,
    },
    /// A token that an authorization server hands out for client id and secret.
    OAuth(OAuth),
}

/// OAuth 2.0 client credentials.
#[derive(Debug, Clone)]
pub struct OAuth {
    /// The authorization server's token endpoint.
    pub url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Reloaded<Secret>,
    /// Whom the token is for, where the server asks.
    pub audience: Option<String>,
    /// What it allows, where the server asks.
    pub scope: Option<String>,
    /// How the server's certificate is checked; as the file was when the client was made.
    pub tls: Reloaded<Arc<ClientConfig>>,
}

/// The value of the header.
pub(super) type Header = MetadataValue<Ascii>;

/// [`Auth`] at work.
#[derive(Debug)]
pub(super) enum Authority {
    None,
    Basic { user: String, password: Reloaded<Secret> },
    Tokens(Tokens),
}

impl Authority {
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Ok(match &settings.auth {
            Auth::None => Self::None,
            Auth::Basic { user, password } => Self::Basic { user: user.clone(), password: password.clone() },
            Auth::OAuth(oauth) => Self::Tokens(Tokens::new(oauth, settings)?),
        })
    }

    /// Sends with the header. An error of the authorization server is a status with [`Error`] as its source.
    ///
    /// Zeebe's word that a token is not good drops it, so that the next attempt brings a new one.
    pub async fn send<Q, A, F>(&self, mut request: Request<Q>, send: impl FnOnce(Request<Q>) -> F) -> Result<A, Status>
    where
        F: Future<Output = Result<A, Status>>,
    {
        let header = self.header().await.map_err(|error| Status::from_error(Box::new(error)))?;
        if let Some(header) = &header {
            request.metadata_mut().insert("authorization", header.clone());
        }
        match (send(request).await, self, header) {
            (Err(status), Self::Tokens(tokens), Some(header)) if status.code() == Code::Unauthenticated => Err(tokens
                .refused(&header, status.message())
                .map_or(status, |error| Status::from_error(Box::new(error)))),
            (answer, ..) => answer,
        }
    }

    async fn header(&self) -> Result<Option<Header>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Basic { user, password } => {
                let both = STANDARD.encode(format!("{user}:{}", password.current().expose()));
                Ok(header(&format!("Basic {both}")))
            }
            Self::Tokens(tokens) => tokens.header().await.map(Some),
        }
    }
}

/// A header that is not shown in debug prints; nothing where the text cannot be one.
pub(super) fn header(text: &str) -> Option<Header> {
    let mut header: Header = text.parse().ok()?;
    header.set_sensitive(true);
    Some(header)
}
