//! A real Kubernetes control plane for tests, on free ports of 127.0.0.1: etcd, the API server, and the controllers that
//! make pods of Jobs, end them and clear them away. There is no scheduler and no kubelet: a test plays them.

use crate::broker::{cache, free_port};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The version that `.ci/setup k8s` builds.
pub const VERSION: &str = "1.34.4";

const READY_WITHIN: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOG_TAIL_BYTES: usize = 4096;
/// Ends the process group when our own process ends, however that happens.
const GUARDED: &str = r#"exec 3<&0; (cat <&3 >/dev/null; kill -KILL -$$) & exec "$@" </dev/null 3<&-"#;
/// Those that a Job's life needs.
const CONTROLLERS: &str =
    "job-controller,garbage-collector-controller,ttl-after-finished-controller,namespace-controller";

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// Not built yet.
    #[error("{0} is not there: run `.ci/setup k8s`, which builds it once")]
    NotBuilt(PathBuf),
    /// A part ended at once, or is not ready.
    #[error("{part} {what}. The end of its log:\n{tail}")]
    Part {
        /// Which one.
        part: &'static str,
        /// What is wrong.
        what: String,
        /// Its log's end.
        tail: String,
    },
    /// The system refused something.
    #[error("the test cluster: {0}")]
    Io(#[from] io::Error),
    /// Certificates.
    #[error("the test cluster's certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// Our own client.
    #[error("the test cluster's client: {0}")]
    Client(String),
}

/// Who asks the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// May do what a test's roles let the user `bridge` do.
    Bridge,
}

impl User {
    const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Bridge => "bridge",
        }
    }
}

/// A control plane. It ends with this value, and with this process however that ends.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    program: PathBuf,
    etcd_port: u16,
    port: u16,
    etcd: Option<Child>,
    api_server: Option<Child>,
    controllers: Option<Child>,
}

impl Cluster {
    /// Starts all parts and waits until the API server is ready: some 10 s, at most 180 s.
    pub async fn start() -> Result<Self, KubeError> {
        let cache = cache().map_err(|error| KubeError::Client(error.to_string()))?;
        let program = cache.join(format!("kube-{VERSION}")).join("kube");
        if !program.exists() {
            return Err(KubeError::NotBuilt(program));
        }
        let folder = tempfile::Builder::new().prefix("kube-").tempdir()?;
        // Both are held until the second is found.
        let held: [TcpListener; 3] = [free_port()?, free_port()?, free_port()?];
        let [etcd_port, peer_port, port] =
            [&held[0], &held[1], &held[2]].map(|held| held.local_addr().map(|a| a.port()));
        let (etcd_port, peer_port, port) = (etcd_port?, peer_port?, port?);
        drop(held);
        certify(folder.path())?;
        let (etcd, api_server, controllers) = (None, None, None);
        let mut cluster = Self { folder, program, etcd_port, port, etcd, api_server, controllers };
        for user in [User::Admin, User::Bridge] {
            cluster.write_kubeconfig(user)?;
        }
        cluster.etcd = Some(cluster.start_etcd(peer_port)?);
        cluster.restart_api_server().await?;
        cluster.controllers = Some(cluster.start_controllers()?);
        Ok(cluster)
    }

    /// A file that says how this user reaches the API server.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.path(&format!("{}.kubeconfig", user.name()))
    }

    /// A client for this user.
    pub async fn client(&self, user: User) -> Result<Client, KubeError> {
        let wrong = |error: &dyn std::fmt::Display| KubeError::Client(error.to_string());
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig(user)).map_err(|error| wrong(&error))?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        Client::try_from(config.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))
    }

    /// Ends the API server at once; what is in etcd stays.
    pub fn kill_api_server(&mut self) {
        end(&mut self.api_server);
    }

    /// Has etcd forget all that was, while the API server is away: when it is back, a watch from before gets 410.
    ///
    /// # Errors
    /// Where etcd is not there.
    pub async fn forget_the_past(&self) -> Result<(), KubeError> {
        let revision = self.etcd("put", r#"{"key": "cGFzdA==", "value": ""}"#).await?;
        let order = format!(r#"{{"revision": {revision}, "physical": true}}"#);
        self.etcd("compaction", &order).await.map(drop)
    }

    /// Asks etcd by its HTTP door; its revision.
    async fn etcd(&self, what: &str, body: &str) -> Result<u64, KubeError> {
        let url = format!("http://127.0.0.1:{}/v3/kv/{what}", self.etcd_port);
        let client = zeebe2faas::tls::plain_http().build().map_err(|error| KubeError::Client(error.to_string()))?;
        let answer = client.post(url).body(body.to_owned()).send().await.and_then(reqwest::Response::error_for_status);
        let text = match answer {
            Ok(answer) => answer.text().await,
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| KubeError::Client(error.to_string()))?;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let revision = answer["header"]["revision"].as_str().and_then(|revision| revision.parse().ok());
        revision.ok_or_else(|| KubeError::Client(format!("etcd answers: {text}")))
    }

    /// Starts the API server again on the same port, and waits until it is ready.
    pub async fn restart_api_server(&mut self) -> Result<(), KubeError> {
        self.kill_api_server();
        let path = |name: &str| self.path(name).display().to_string();
        let child = self.spawn(
            "kube-apiserver",
            &self.program,
            &[
                "kube-apiserver".to_owned(),
                format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
                format!("--secure-port={}", self.port),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--tls-cert-file={}", path("server.pem")),
                format!("--tls-private-key-file={}", path("server.key")),
                format!("--token-auth-file={}", path("tokens.csv")),
                "--authorization-mode=RBAC".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", path("accounts.pub")),
                format!("--service-account-signing-key-file={}", path("accounts.key")),
                "--service-cluster-ip-range=10.96.0.0/24".to_owned(),
                // Nobody makes the accounts' tokens here.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--enable-priority-and-fairness=false".to_owned(),
            ],
        )?;
        self.api_server = Some(child);
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<(), KubeError> {
        let client = self.client(User::Admin).await?;
        let started = Instant::now();
        loop {
            let request =
                http::Request::get("/readyz").body(Vec::new()).map_err(|error| KubeError::Client(error.to_string()))?;
            let what = match client.request_text(request).await {
                Ok(_) => return Ok(()),
                Err(error) => format!("was not ready within {} s: {error}", READY_WITHIN.as_secs()),
            };
            for (part, child) in [("etcd", &mut self.etcd), ("kube-apiserver", &mut self.api_server)] {
                if let Some(status) = child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                    return Err(KubeError::Part {
                        part,
                        what: format!("ended ({status})"),
                        tail: tail(&self.folder.path().join(format!("{part}.log"))),
                    });
                }
            }
            if started.elapsed() > READY_WITHIN {
                let tail = tail(&self.path("kube-apiserver.log"));
                return Err(KubeError::Part { part: "kube-apiserver", what, tail });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn start_etcd(&self, peer_port: u16) -> Result<Child, KubeError> {
        let (client, peer) = (format!("http://127.0.0.1:{}", self.etcd_port), format!("http://127.0.0.1:{peer_port}"));
        let arguments = [
            format!("--data-dir={}", self.path("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            // A test's data need not survive the machine.
            "--unsafe-no-fsync".to_owned(),
        ];
        self.spawn("etcd", Path::new("etcd"), &arguments)
    }

    fn start_controllers(&self) -> Result<Child, KubeError> {
        let kubeconfig = self.kubeconfig(User::Admin);
        self.spawn(
            "kube-controller-manager",
            &self.program,
            &[
                "kube-controller-manager".to_owned(),
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--controllers={CONTROLLERS}"),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                // For tests with many Jobs.
                "--kube-api-qps=1000".to_owned(),
                "--kube-api-burst=2000".to_owned(),
                "--concurrent-job-syncs=20".to_owned(),
            ],
        )
    }

    fn spawn(&self, name: &'static str, program: &Path, arguments: &[String]) -> Result<Child, KubeError> {
        let log = OpenOptions::new().create(true).append(true).open(self.path(&format!("{name}.log")))?;
        let mut command = Command::new("sh");
        command.args(["-c", GUARDED, name]).arg(program).args(arguments);
        command.current_dir(self.folder.path()).process_group(0);
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // Etcd takes settings from there, too.
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
            command.env_remove(variable);
        }
        Ok(command.spawn()?)
    }

    fn write_kubeconfig(&self, user: User) -> Result<(), KubeError> {
        let token = token(self.folder.path(), user)?;
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{ name: test, cluster: {{ server: 'https://127.0.0.1:{}', certificate-authority: '{}' }} }}]\n\
             users: [{{ name: me, user: {{ token: '{token}' }} }}]\n\
             contexts: [{{ name: test, context: {{ cluster: test, user: me }} }}]\n",
            self.port,
            self.path("ca.pem").display()
        );
        Ok(std::fs::write(self.kubeconfig(user), text)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        end(&mut self.controllers);
        end(&mut self.api_server);
        end(&mut self.etcd);
    }
}

/// Kills the process group of a part.
fn end(child: &mut Option<Child>) {
    let Some(mut child) = child.take() else { return };
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group
        && let Err(error) = rustix::process::kill_process_group(group, rustix::process::Signal::KILL)
    {
        tracing::debug!(%error, "a part had ended before");
    }
    if let Err(error) = child.wait() {
        tracing::warn!(%error, "cannot wait for a part's end");
    }
}

/// An authority, the server's certificate, the key of service accounts, and the users' tokens.
fn certify(folder: &Path) -> Result<(), KubeError> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test cluster");
    let key = KeyPair::generate()?;
    std::fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    let (server, accounts) = (KeyPair::generate()?, KeyPair::generate()?);
    let names = ["localhost", "127.0.0.1", "10.96.0.1"].map(str::to_owned);
    let certificate = CertificateParams::new(names)?.signed_by(&server, &issuer)?;
    std::fs::write(folder.join("server.pem"), certificate.pem())?;
    std::fs::write(folder.join("server.key"), server.serialize_pem())?;
    std::fs::write(folder.join("accounts.key"), accounts.serialize_pem())?;
    std::fs::write(folder.join("accounts.pub"), accounts.public_key_pem())?;
    let random = || format!("{:032x}", rand::random::<u128>());
    let line = |user: User, groups: &str| format!("{},{},{}{groups}\n", random(), user.name(), user.name());
    let tokens = line(User::Admin, ",system:masters") + &line(User::Bridge, "");
    Ok(std::fs::write(folder.join("tokens.csv"), tokens)?)
}

fn token(folder: &Path, user: User) -> io::Result<String> {
    let text = std::fs::read_to_string(folder.join("tokens.csv"))?;
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.get(1) == Some(&user.name()));
    Ok(line.and_then(|fields| fields.first().map(|token| (*token).to_owned())).unwrap_or_default())
}

fn tail(log: &Path) -> String {
    let mut text = String::new();
    match File::open(log).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => text.split_at(text.floor_char_boundary(text.len().saturating_sub(LOG_TAIL_BYTES))).1.to_owned(),
        Err(error) => format!("(it cannot be read: {error})"),
    }
}
