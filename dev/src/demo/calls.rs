//! The bridge's calls as its admin listener tells them, and which couple each is for.

use super::{Product, chain};
use reqwest::{Client, Response};
use serde::de::DeserializeOwned;
use std::{path::Path, time::Duration};
use zeebe2faas::{
    ledger::{Call, Summary},
    tls,
};

/// How long the bridge may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most that are listed.
const LIMIT: usize = 10_000;
/// The chain's files and the steps that make them.
const STEPS: [(&str, &str); 3] =
    [("bundle.tif", "bundle"), ("ortho.tif", "ortho"), ("normalized_ortho.tif", "normalized")];

/// The admin listener of a bridge. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admin {
    url: String,
    http: Client,
}

impl Admin {
    /// At `http://HOST:PORT`.
    pub fn new(url: String) -> Result<Self, reqwest::Error> {
        Ok(Self { url, http: tls::plain_http().connect_timeout(TIMEOUT).build()? })
    }

    /// Everything known of one call.
    pub async fn call(&self, id: &str) -> Result<Call, reqwest::Error> {
        self.get(&format!("/api/calls/{id}")).await
    }

    /// Everything known of every call.
    pub async fn calls(&self) -> Result<Vec<Call>, reqwest::Error> {
        let list: Vec<Summary> = self.list().await?;
        let mut calls = Vec::with_capacity(list.len());
        for summary in list {
            calls.push(self.call(summary.call_id.as_str()).await?);
        }
        Ok(calls)
    }

    /// The list of calls.
    pub async fn list<T: DeserializeOwned>(&self) -> Result<Vec<T>, reqwest::Error> {
        self.get(&format!("/api/calls?limit={LIMIT}")).await
    }

    /// What happens to calls, as it happens: server-sent events.
    pub async fn events(&self) -> Result<Response, reqwest::Error> {
        self.http.get(format!("{}/api/events", self.url)).send().await?.error_for_status()
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, reqwest::Error> {
        let request = self.http.get(format!("{}{path}", self.url)).timeout(TIMEOUT);
        request.send().await?.error_for_status()?.json().await
    }
}

/// What a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `PRODUCT/INDEX`.
    pub couple: String,
    /// The step.
    pub step: &'static str,
}

/// Which couple's folder is where.
#[derive(Debug, Clone)]
pub struct Places(Vec<(String, String)>);

impl Places {
    /// Of these products.
    pub fn new(products: &[Product], output: &Path) -> Self {
        let couples = products.iter().flat_map(|product| (0..product.couples.len()).map(move |index| (product, index)));
        let place = |(product, index): (&Product, usize)| {
            let folder = chain::folder(output, product, index);
            (format!("{}/", folder.display()), format!("{}/{index}", product.name))
        };
        Self(couples.map(place).collect())
    }

    /// By the file that the command makes: the last of the couple's that it names. None where it is not of the demo.
    pub fn of(&self, args: &[String]) -> Option<Place> {
        args.iter().rev().find_map(|arg| {
            let (folder, couple) = self.0.iter().find(|(folder, _)| arg.starts_with(folder))?;
            let file = arg[folder.len()..].split('?').next()?;
            let (_, step) = STEPS.iter().find(|(name, _)| *name == file)?;
            Some(Place { couple: couple.clone(), step })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_placed_by_the_file_that_it_makes() {
        let places = Places(vec![
            ("/out/stereo/0/".into(), "stereo/0".into()),
            ("/out/tri-stereo/0/".into(), "tri-stereo/0".into()),
        ]);
        let place = |args: &[&str]| places.of(&args.iter().map(ToString::to_string).collect::<Vec<_>>());
        let ortho =
            ["-io.in", "/out/tri-stereo/0/bundle.tif", "-io.out", "/out/tri-stereo/0/ortho.tif?&gdal:co:TILED=YES"];
        assert_eq!(place(&ortho), Some(Place { couple: "tri-stereo/0".into(), step: "ortho" }));
        assert_eq!(place(&["-out", "/out/stereo/00/bundle.tif"]), None);
        assert_eq!(place(&["/elsewhere/bundle.tif"]), None);
    }
}
