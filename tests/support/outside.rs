//! An OpenFaaS that is somebody else's, seen from outside: a gateway with the functions of `stack.yml`, between a real
//! Zeebe and a bridge of the test's own. What can be disturbed is the bridge; what is behind the gateway is left alone.

use crate::{
    PATIENCE,
    crash::{Bridge, Calling, Proxy, broker, shipped},
    http, soon,
};
use serde_json::{Value, json};
use std::{
    env, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use zeebe2faas::zeebe::{Client, NewInstance, Retry, Settings};
use zeebe2faas_contract::random_key_line;
use zeebe2faas_dev::phr::{Couple, CoupleOptions, write_couple};

/// Where it is, and what it needs to know of us.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// `http://HOST:PORT`.
    pub url: String,
    /// User, and the file of the password, for `/system/*`.
    pub credentials: Option<(String, PathBuf)>,
    /// The file of the runner secret that its functions' keys are made of.
    pub runner_secret: PathBuf,
    /// A folder that its functions see under the same name, and may read and write.
    pub data: PathBuf,
    /// Where it reaches this machine; port 0 takes a free one for each bridge.
    pub callback: SocketAddr,
}

/// One case's bridge and processes, before that gateway.
pub struct Case {
    name: &'static str,
    gateway: Gateway,
    _folder: TempDir,
    data: TempDir,
    client: Client,
    configuration: PathBuf,
    door: Proxy,
}

impl Gateway {
    /// As the variables say that `docs/openfaas.md` explains.
    pub fn of_environment() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let needed = |name: &str| text(name).unwrap_or_else(|| unreachable!("{name} is not set; see docs/openfaas.md"));
        Self {
            url: needed("OPENFAAS_URL").trim_end_matches('/').to_owned(),
            credentials: text("OPENFAAS_USER").map(|user| (user, needed("OPENFAAS_PASSWORD_FILE").into())),
            runner_secret: needed("OPENFAAS_RUNNER_SECRET").into(),
            data: text("OPENFAAS_DATA").unwrap_or_else(|| "/data".to_owned()).into(),
            callback: text("OPENFAAS_CALLBACK")
                .unwrap_or_else(|| "127.0.0.1:0".to_owned())
                .parse()
                .expect("OPENFAAS_CALLBACK is IP:PORT"),
        }
    }
}

impl Case {
    /// `name` is the job type's, and begins the processes' ids.
    pub async fn new(gateway: &Gateway, name: &'static str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let data = TempDir::new_in(&gateway.data).expect("OPENFAAS_DATA is a folder of this machine, too");
        let zeebe = broker().await.grpc_address();
        let client = Client::new(&Settings::new(zeebe.clone())).expect("an address");
        let files = [shipped("phr-pair", name), Calling::with(name, &[("from", "request")]).file()];
        let files = files.into_iter().map(|(file, text)| (file, text.into_bytes())).collect();
        client.deploy_resource(files, "", Retry::within(PATIENCE)).await.expect("the processes are deployed");
        let configuration = folder.path().join("zeebe2faas.toml");
        fs::write(folder.path().join("token.key"), random_key_line("outside")).expect("a file");
        let case = Self {
            name,
            gateway: gateway.clone(),
            _folder: folder,
            data,
            client,
            configuration,
            door: Proxy::http().await,
        };
        fs::write(&case.configuration, case.text(&zeebe)).expect("a file");
        case
    }

    fn text(&self, zeebe: &str) -> String {
        let Gateway { url, credentials, runner_secret, callback, .. } = &self.gateway;
        let callback = match callback.port() {
            0 => TcpListener::bind(callback).and_then(|listener| listener.local_addr()).expect("a free port"),
            _ => *callback,
        };
        let credentials = credentials.as_ref().map_or_else(String::new, |(user, file)| {
            format!(", user = \"{user}\", password_file = \"{}\"", file.display())
        });
        format!(
            r#"cluster = "{}-{:08x}"
templates = "{}/../templates"
zeebe.address = "{zeebe}"
openfaas = {{ gateway = "{url}"{credentials} }}
callback = {{ listen = "{callback}", url = "http://{callback}" }}
admin.listen = "127.0.0.1:0"
keys = {{ token_file = "token.key", runner_file = "{}" }}
calls = {{ ask_interval = "200ms" }}
functions.otbcli.run_once = true
functions.normalize-product.run_once = true
[[worker]]
type = "{}"
poll_interval = "200ms"
"#,
            self.name,
            // The gateway's functions remember calls of earlier runs, whose broker had the same keys.
            rand_word(),
            env!("CARGO_MANIFEST_DIR"),
            runner_secret.display(),
            self.name,
        )
    }

    /// Starts the bridge.
    pub async fn bridge(&self) -> Bridge {
        Bridge::start(&self.configuration, &[], &self.door).await
    }

    /// Starts it again after it was killed.
    pub async fn restart(&self, bridge: &mut Bridge) {
        bridge.restart(&self.door).await;
    }

    /// A folder that the functions see.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// A synthetic couple there.
    pub fn couple(&self, size: usize) -> Couple {
        write_couple(&self.data().join("couple"), &CoupleOptions { size, ..CoupleOptions::default() })
            .expect("a couple")
    }

    /// Takes a couple through the chain, and gives the variables at its end.
    pub async fn chain(&self, couple: &Couple) -> Value {
        let Couple { dim_p, dim_ms, dem, geoid, .. } = couple;
        let variables = json!({ "P_": dim_p, "MS_": dim_ms, "S3PATH": self.data(), "DEM": dem, "GEOID": geoid });
        self.run(&format!("{}-phr-pair", self.name), variables).await
    }

    /// One call with these settings; gives its outcome.
    pub async fn call(&self, request: Value) -> Value {
        self.run(self.name, json!({ "request": request })).await["call"].take()
    }

    async fn run(&self, process: &str, variables: Value) -> Value {
        let instance = NewInstance { bpmn_process_id: process.to_owned(), variables, ..NewInstance::default() };
        let retry = Retry::within(PATIENCE);
        let ended = self.client.create_process_instance_with_result(&instance, &[], PATIENCE, retry).await;
        serde_json::from_str(&ended.expect("the instance ends").variables).expect("variables")
    }

    /// A smoothing of the couple's image that takes its time.
    pub fn slow(&self, couple: &Couple, timeout: &str) -> Value {
        let (image, out) = (&couple.dim_p, self.data().join("slow.tif"));
        json!({
            "function": "otbcli",
            "cmdline": "Smoothing -in {{ image }} -out {{ out }} -type mean -type.mean.radius 24 -ram 64",
            "outputs": "out",
            "timeout": timeout,
            "variables": { "image": image, "out": out },
        })
    }
}

fn rand_word() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or_default()
}

/// A couple goes through the chain, every call reported and signed.
pub async fn chain(gateway: &Gateway) {
    let case = Case::new(gateway, "outside-chain").await;
    let bridge = case.bridge().await;
    let variables = case.chain(&case.couple(400)).await;
    assert_eq!(variables["outcome"]["status"], "succeeded", "{variables:#}");
    assert!(case.data().join("normalized_ortho.tif").exists());
    let calls = bridge.calls(|calls| calls.len() == 3 && calls.iter().all(|call| call["delivered"] == true)).await;
    assert_eq!(calls.len(), 3);
}

/// What a program says when it fails reaches the process.
pub async fn failure(gateway: &Gateway) {
    let case = Case::new(gateway, "outside-failure").await;
    let _bridge = case.bridge().await;
    let missing = case.data().join("missing.tif");
    let call = case
        .call(json!({ "function": "otbcli", "cmdline": "ReadImageInfo -in {{ image }}", "variables": { "image": missing } }))
        .await;
    assert_eq!((&call["status"], &call["exitCode"]), (&json!("failed"), &json!(1)), "{call:#}");
    assert!(call["logTail"].as_str().is_some_and(|tail| tail.contains("missing.tif")), "{call:#}");
    let outside = case.call(json!({ "function": "otbcli", "cmdline": "ReadImageInfo -in /etc/passwd" })).await;
    assert_eq!(outside["status"], "refused", "{outside:#}");
}

/// A bridge that was killed and comes back finds out what became of its call, though its callback is lost.
pub async fn lost_callback(gateway: &Gateway) {
    let case = Case::new(gateway, "outside-lost").await;
    let mut bridge = case.bridge().await;
    let couple = case.couple(400);
    let disturb = async {
        let calls = bridge.calls(|calls| calls.iter().any(|call| call["state"] != "accepted")).await;
        let id = calls[0]["callId"].as_str().expect("an id").to_owned();
        bridge.kill().await;
        let out = case.data().join("slow.tif");
        soon(async {
            while !out.exists() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
        case.restart(&mut bridge).await;
        id
    };
    let (call, id) = tokio::join!(case.call(case.slow(&couple, "10m")), disturb);
    assert_eq!((&call["status"], &call["callId"]), (&json!("succeeded"), &json!(id)), "{call:#}");
}

/// A callback with a token that is none gets 401, and the call ends as it does.
pub async fn forged_callback(gateway: &Gateway) {
    let case = Case::new(gateway, "outside-forged").await;
    let bridge = case.bridge().await;
    let couple = case.couple(400);
    let forge = async {
        let calls = bridge.calls(|calls| calls.iter().any(|call| call["state"] != "accepted")).await;
        let nonsense =
            http().post(format!("{}/callback/nonsense", bridge.callback_url())).header("x-function-status", 200);
        assert_eq!(soon(nonsense.send()).await.expect("an answer").status(), 401);
        calls[0]["callId"].clone()
    };
    let (call, id) = tokio::join!(case.call(case.slow(&couple, "10m")), forge);
    assert_eq!((&call["status"], &call["callId"]), (&json!("succeeded"), &id), "{call:#}");
}

/// A call ends at its deadline, its program with it, and leaves no output.
pub async fn deadline(gateway: &Gateway) {
    let case = Case::new(gateway, "outside-deadline").await;
    let _bridge = case.bridge().await;
    let couple = case.couple(1200);
    let call = case.call(case.slow(&couple, "1s")).await;
    assert_eq!(call["status"], "timedOut", "{call:#}");
    assert!(!case.data().join("slow.tif").exists());
}

/// A function that is not there ends as refused where the gateway tells its functions, else at the deadline.
pub async fn unknown_function(gateway: &Gateway) {
    let case = Case::new(gateway, "outside-unknown").await;
    let bridge = case.bridge().await;
    let begun = async {
        // Where it is noticed before anything is submitted, the job has an incident, and the instance does not end.
        soon(async {
            loop {
                let log = bridge.log();
                if log.contains("no function `absent`") || log.contains("timedOut") {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    let call = case.call(json!({ "function": "absent", "cmdline": "x", "timeout": "2s" }));
    tokio::select! {
        () = begun => {}
        call = call => assert!(["refused", "timedOut"].iter().any(|status| call["status"] == *status), "{call:#}"),
    }
}
