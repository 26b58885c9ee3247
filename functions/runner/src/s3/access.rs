//! Credentials, region and endpoint, where the AWS tools find them: environment, web identity, profile files, and then
//! the container's or the machine's own service.

use super::S3Error;
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
};
use std::{collections::BTreeMap, fs, io, path::PathBuf, time::Duration};

/// One request of a part takes no longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest profile file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Ways to credentials that only the AWS tools themselves know.
const UNKNOWN_WAYS: [&str; 3] = ["credential_process", "sso_session", "sso_start_url"];

/// What a profile says besides credentials, and the variables that say it, too.
const FROM_PROFILE: [(&str, &[&str]); 2] =
    [("region", &["aws_region", "aws_default_region"]), ("endpoint_url", &ENDPOINTS)];
/// The first one that is there counts.
const ENDPOINTS: [&str; 3] = ["aws_endpoint_url_s3", "aws_endpoint_url", "aws_endpoint"];

/// How long a request is tried.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// Before a run: the bridge comes again.
    Short,
    /// After one, which may have taken hours.
    Long,
}

/// Everything that is needed to speak to S3 but the bucket.
#[derive(Debug, Clone)]
pub struct Access(BTreeMap<String, String>);

/// One section of a profile file.
type Profile = BTreeMap<String, String>;

impl Access {
    /// Looks at the environment, and at profile files where it has no credentials.
    ///
    /// # Errors
    /// A profile that is not there, or that cannot be used.
    pub fn find(variables: impl Iterator<Item = (String, String)>) -> Result<Self, S3Error> {
        let environment: BTreeMap<String, String> = variables.filter(|(_, value)| !value.is_empty()).collect();
        let known = |name: &str| name.parse::<AmazonS3ConfigKey>().is_ok();
        let aws = environment.iter().filter(|(name, _)| name.starts_with("AWS_"));
        let aws = aws.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let mut settings: BTreeMap<String, String> = aws.filter(|(name, _)| known(name)).collect();
        let files = ProfileFiles::new(&environment);
        let profile = files.read()?;
        for (name, given) in FROM_PROFILE {
            if let (Some(value), false) = (profile.get(name), given.iter().any(|key| settings.contains_key(*key))) {
                settings.insert(format!("aws_{name}"), value.clone());
            }
        }
        let has_own =
            ["aws_access_key_id", "aws_web_identity_token_file"].iter().any(|key| settings.contains_key(*key));
        if !has_own {
            files.add_credentials(&profile, &mut settings)?;
        }
        Ok(Self(settings))
    }

    /// A client for one bucket.
    pub fn store(&self, bucket: &str, patience: Patience) -> Result<AmazonS3, S3Error> {
        // Where one is installed already, it is this one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let (max_retries, retry_timeout) = match patience {
            Patience::Short => (4, Duration::from_secs(20)),
            Patience::Long => (30, Duration::from_secs(240)),
        };
        let mut builder = AmazonS3Builder::new();
        for (name, value) in &self.0 {
            if let Ok(key) = name.parse() {
                builder = builder.with_config(key, value);
            }
        }
        let is_plain = self.endpoint().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client = ClientOptions::new()
            .with_allow_http(is_plain)
            .with_timeout(REQUEST_TIMEOUT)
            .with_connect_timeout(CONNECT_TIMEOUT);
        let retry = RetryConfig { backoff: BackoffConfig::default(), max_retries, retry_timeout };
        let builder = builder.with_bucket_name(bucket).with_client_options(client).with_retry(retry);
        builder.build().map_err(|error| S3Error::Access(super::explain(&error)))
    }

    /// Variables for GDAL, whose names for an endpoint are its own; credentials it finds as we do.
    pub fn gdal_environment(&self, is_set: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
        let Some(endpoint) = self.endpoint() else { return Vec::new() };
        let (https, host) = match endpoint.split_once("://") {
            Some(("http", host)) => ("NO", host),
            Some((_, host)) => ("YES", host),
            None => ("YES", endpoint),
        };
        let host = host.trim_end_matches('/').to_owned();
        let mut variables = vec![("AWS_S3_ENDPOINT", host), ("AWS_HTTPS", https.to_owned())];
        let virtual_hosts = self.0.get("aws_virtual_hosted_style_request").is_some_and(|value| value == "true");
        variables.push(("AWS_VIRTUAL_HOSTING", if virtual_hosts { "TRUE" } else { "FALSE" }.to_owned()));
        variables.retain(|(name, _)| !is_set(name));
        variables
    }

    fn endpoint(&self) -> Option<&str> {
        ENDPOINTS.iter().find_map(|name| self.0.get(*name)).map(String::as_str)
    }
}

/// `~/.aws/credentials` and `~/.aws/config`, or where the environment says that they are.
struct ProfileFiles {
    credentials: PathBuf,
    config: PathBuf,
    profile: String,
    is_named: bool,
}

impl ProfileFiles {
    fn new(environment: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| environment.get(name);
        let home = PathBuf::from(get("HOME").map_or("/", String::as_str)).join(".aws");
        let named = get("AWS_PROFILE").or_else(|| get("AWS_DEFAULT_PROFILE"));
        Self {
            credentials: get("AWS_SHARED_CREDENTIALS_FILE").map_or_else(|| home.join("credentials"), PathBuf::from),
            config: get("AWS_CONFIG_FILE").map_or_else(|| home.join("config"), PathBuf::from),
            profile: named.cloned().unwrap_or_else(|| "default".to_owned()),
            is_named: named.is_some(),
        }
    }

    /// The profile in both files; `credentials` counts more.
    fn read(&self) -> Result<Profile, S3Error> {
        let in_config =
            if self.profile == "default" { "default".to_owned() } else { format!("profile {}", self.profile) };
        let config = section(&read_text(&self.config)?, &in_config);
        let credentials = section(&read_text(&self.credentials)?, &self.profile);
        if self.is_named && config.is_none() && credentials.is_none() {
            let (profile, here, there) = (&self.profile, self.credentials.display(), self.config.display());
            return Err(S3Error::Access(format!("the profile `{profile}` is neither in `{here}` nor in `{there}`")));
        }
        let mut profile = config.unwrap_or_default();
        profile.extend(credentials.unwrap_or_default());
        Ok(profile)
    }

    fn add_credentials(&self, profile: &Profile, settings: &mut BTreeMap<String, String>) -> Result<(), S3Error> {
        let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
        let identity = ["web_identity_token_file", "role_arn", "role_session_name"];
        if profile.contains_key(keys[0]) {
            settings.extend(keys.iter().filter_map(|key| Some(((*key).to_owned(), profile.get(*key)?.clone()))));
        } else if profile.contains_key(identity[0]) {
            settings.extend(identity.iter().filter_map(|key| Some((format!("aws_{key}"), profile.get(*key)?.clone()))));
        } else if let Some(way) = UNKNOWN_WAYS.iter().chain(&["role_arn"]).find(|way| profile.contains_key(**way)) {
            let profile = &self.profile;
            return Err(S3Error::Access(format!(
                "the profile `{profile}` gets its credentials by `{way}`, which the runner does not know: use keys, or \
                 `web_identity_token_file`"
            )));
        }
        Ok(())
    }
}

/// Empty where there is no such file.
fn read_text(path: &PathBuf) -> Result<String, S3Error> {
    let failed = |error: io::Error| S3Error::Access(format!("`{}` cannot be read: {error}", path.display()));
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => Err(failed(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => fs::read_to_string(path).map_err(failed),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(String::new())
        }
        // A home that is not ours.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(String::new()),
        Err(error) => Err(failed(error)),
    }
}

/// The `key = value` lines of `[name]`; indented ones belong to a key of their own.
fn section(text: &str, name: &str) -> Option<Profile> {
    let mut found: Option<Profile> = None;
    let mut inside = false;
    for line in text.lines() {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            inside = header.split_whitespace().eq(name.split_whitespace());
            if inside {
                found.get_or_insert_default();
            }
        } else if inside
            && !is_indented
            && !line.starts_with(['#', ';'])
            && let (Some((key, value)), Some(profile)) = (line.split_once('='), found.as_mut())
        {
            profile.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{Access, Patience};
    use std::fs;
    use tempfile::TempDir;

    /// The settings found with these variables and files.
    fn find(variables: &[(&str, &str)], credentials: &str, config: &str) -> Result<Access, String> {
        let home = TempDir::new().unwrap();
        fs::create_dir(home.path().join(".aws")).unwrap();
        fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
        fs::write(home.path().join(".aws/config"), config).unwrap();
        let home = [("HOME", home.path().to_str().unwrap())];
        let variables = variables.iter().chain(&home).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Access::find(variables).map_err(|error| error.to_string())
    }

    fn value(access: &Access, name: &str) -> Option<String> {
        access.0.get(name).cloned()
    }

    const CREDENTIALS: &str = "[default]\naws_access_key_id = D\naws_secret_access_key=d\n\n# more\n[site]\n\
        AWS_ACCESS_KEY_ID = S\naws_secret_access_key = s = s\naws_session_token = t\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile site]\nregion = eu-west-3\n\
        endpoint_url = http://s3.site:9000\ns3 =\n  region = nowhere\n[profile sso]\nsso_session = x\n\
        [profile pod]\nweb_identity_token_file = /token\nrole_arn = arn\n";

    #[test]
    fn the_environment_wins_over_profile_files() {
        let own = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "e"), ("AWS_REGION", "here")];
        let access = find(&own, CREDENTIALS, CONFIG).unwrap();
        assert_eq!(value(&access, "aws_access_key_id").as_deref(), Some("E"));
        assert_eq!(
            (value(&access, "aws_region").as_deref(), value(&access, "aws_session_token")),
            (Some("here"), None)
        );
        let identity = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn")];
        assert_eq!(value(&find(&identity, CREDENTIALS, CONFIG).unwrap(), "aws_access_key_id"), None);
    }

    #[test]
    fn a_profile_brings_keys_region_and_endpoint() {
        let access = find(&[("AWS_PROFILE", "site")], CREDENTIALS, CONFIG).unwrap();
        let found = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region"]
            .map(|name| value(&access, name).unwrap());
        assert_eq!(found, ["S", "s = s", "t", "eu-west-3"]);
        let expected = [("AWS_S3_ENDPOINT", "s3.site:9000"), ("AWS_HTTPS", "NO"), ("AWS_VIRTUAL_HOSTING", "FALSE")];
        assert_eq!(access.gdal_environment(|_| false), expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(access.gdal_environment(|name| name == "AWS_HTTPS").len(), 2);
        access.store("bucket", Patience::Short).unwrap();
        assert_eq!(value(&find(&[], CREDENTIALS, CONFIG).unwrap(), "aws_access_key_id").as_deref(), Some("D"));
        let pod = find(&[("AWS_PROFILE", "pod")], CREDENTIALS, CONFIG).unwrap();
        assert_eq!(value(&pod, "aws_web_identity_token_file").as_deref(), Some("/token"));
    }

    #[test]
    fn a_profile_that_is_missing_or_cannot_be_used_is_told() {
        assert!(find(&[("AWS_PROFILE", "none")], CREDENTIALS, CONFIG).unwrap_err().contains("`none` is neither"));
        assert!(find(&[("AWS_PROFILE", "sso")], CREDENTIALS, CONFIG).unwrap_err().contains("`sso_session`"));
        assert!(find(&[], "", "").unwrap().0.is_empty());
    }
}
