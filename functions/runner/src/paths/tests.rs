#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use proptest::{prelude::*, sample::select};
use std::{fs, os::unix::fs::symlink, sync::LazyLock};
use tempfile::TempDir;
use zeebe2faas_contract::CallId;

/// `data` is allowed; beside it lies what is not, and in it links that lead there.
static SITE: LazyLock<TempDir> = LazyLock::new(|| {
    let site = TempDir::new().unwrap();
    let path = |name: &str| site.path().join(name);
    for folder in ["data/in", "secret", "data-not"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    for file in ["data/in/p.tif", "secret/key", "data-not/key"] {
        fs::write(path(file), "x").unwrap();
    }
    symlink(path("secret"), path("data/out")).unwrap();
    symlink(path("secret/key"), path("data/in/leads-out")).unwrap();
    symlink(path("secret/later"), path("data/dangling")).unwrap();
    symlink(path("data/in"), path("data/within")).unwrap();
    symlink("loop", path("data/loop")).unwrap();
    site
});

fn at(name: &str) -> String {
    SITE.path().canonicalize().unwrap().join(name).display().to_string()
}

fn check_with(allowed: &str, args: &[&str], outputs: &[&str]) -> Result<(), String> {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let invocation = Invocation::new(CallId::new("c", 1, 1), "f".into(), owned(args), owned(outputs), 0);
    allowed.parse::<AllowedPaths>().unwrap().check(&invocation, 1, &["exp".to_owned()])
}

fn check(argument: &str) -> Result<(), String> {
    check_with(&at("data"), &["App", argument], &[])
}

#[test]
fn what_lies_below_a_listed_folder_passes() {
    for argument in [
        at("data"),
        at("data/in/p.tif"),
        at("data/new/folder/o.tif?&gdal:co:TILED=YES"),
        at("data/within/p.tif?&skipcarto=true"),
        at("data/year=2024/My Folder/a,b.tif"),
        format!("--opt={}", at("data/in/p.tif")),
        format!("-I{}", at("data/in")),
        format!("NETCDF:\"{}\":band", at("data/in/p.tif")),
        format!("{},{}", at("data/in/p.tif"), at("data/in/q.tif")),
        format!("{0}/./in//p.tif", at("data")),
    ] {
        assert_eq!(check(&argument), Ok(()), "{argument}");
    }
    for word in ["", "-ram", "256", "uint16", "a b c", "im1b1*2", "k=v", "1..5", "wait..."] {
        assert_eq!(check(word), Ok(()), "{word}");
    }
}

#[test]
fn a_refusal_names_the_argument_the_reason_and_the_setting() {
    let why = check("/etc/passwd").unwrap_err();
    for part in ["argument 1 `/etc/passwd` lies outside", &at("data"), "RUNNER_ALLOW_DIRS", "RUNNER_NO_PATHS"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert!(check(&at("data/out/key")).unwrap_err().contains(&format!("leads to `{}`", at("secret/key"))));
    assert!(check(&at("data/dangling")).unwrap_err().contains("leads nowhere"));
    assert!(check("s3://bucket/p.tif").unwrap_err().contains("`s3://bucket/p.tif`"));
}

#[test]
fn nothing_climbs_whatever_stands_before_its_dots() {
    for argument in ["..", "../x", "/data/../x", "-I../x", "-I.../x", "k=..", "a/..", "a,..,b", "\"..\"", "x.a.../y"] {
        assert!(climbs(argument), "{argument}");
    }
    for argument in ["1..5", "...", "a..b/c", "wait..", "..a"] {
        assert!(!climbs(argument), "{argument}");
    }
}

#[test]
fn a_formula_is_no_path_where_the_settings_say_so() {
    let formula = "(im1b4-im1b1)/(im1b4+im1b1)";
    assert!(check(formula).is_err());
    assert_eq!(check_with(&at("data"), &["App", "-exp", formula], &[]), Ok(()));
    for path in ["/etc/passwd", "src", "/vsicurl/http://x", "../x"] {
        assert!(check_with(&at("data"), &["App", "-exp", path], &[]).is_err(), "{path}");
    }
}

#[test]
fn an_output_is_a_path_even_as_a_bare_word() {
    assert_eq!(check_with(&at("data"), &["App", "-out", "o.tif"], &[]), Ok(()));
    assert!(check_with(&at("data"), &["App", "-out", "o.tif"], &["out"]).is_err());
    assert_eq!(check_with(&at("data"), &["App", "-out", &at("data/o.tif")], &["out"]), Ok(()));
}

#[test]
fn remote_locations_pass_below_those_that_are_listed() {
    let allowed = format!("{}:/vsis3/bucket,s3://bucket,https://host/a/", at("data"));
    for good in [
        "/vsis3/bucket/p.tif?&skipcarto=true",
        "s3://bucket",
        "k=s3://bucket/a/b",
        "https://host/a/p.tif",
        "{\"a\":\"s3://bucket\"}",
    ] {
        assert_eq!(check_with(&allowed, &["App", good], &[]), Ok(()), "{good}");
    }
    for bad in [
        "/vsis3/bucket2/p.tif",
        "/vsis3/bucket/../other/p",
        "/vsis3/bucket/%2e%2e/other",
        "/vsizip/vsis3/bucket/a.zip",
        "/vsis3/bucket/vsicurl/http:",
        "/VSICURL/x",
        "s3://bucket@evil/x",
        "s3://bucket:1@evil/x",
        "s3://bucket;.evil/x",
        "/vsis3/bucket[",
        "/vsis3/bucket\": x",
        "/vsis3/bucket=2/p.tif",
        "https://host/b",
        "s3://bucket/x,https://evil",
        "s3://bucket/x?&geom=/etc/passwd",
        "file:///etc/passwd",
        "://x",
    ] {
        assert!(check_with(&allowed, &["App", bad], &[]).is_err(), "{bad}");
    }
}

#[test]
fn a_relative_path_starts_at_the_working_directory_even_when_nothing_is_there_yet() {
    for argument in ["new/file", "k=new/file", "--opt=new/file", "new/file?&x=1", "DRIVER:new/file"] {
        assert!(check(argument).is_err(), "{argument}");
        assert_eq!(check_with("/", &["App", argument], &[]), Ok(()), "{argument}");
    }
}

#[test]
fn parents_are_followed_where_they_are_listed() {
    let allowed = format!("..,{}", at("data"));
    let passes = |argument: &str| check_with(&allowed, &["App", argument], &[]).is_ok();
    assert!(passes(&at("data/in/../in/p.tif")));
    for outside in ["data/in/../../secret/key", "data/new/../../secret/key", "data/within/../../secret/key"] {
        assert!(!passes(&at(outside)), "{outside}");
    }
}

#[test]
fn a_mistake_in_the_setting_is_told() {
    for text in ["data", "/data/../x", "..", "/data:x"] {
        assert!(text.parse::<AllowedPaths>().is_err(), "{text}");
    }
    for text in ["", ",", " : "] {
        assert!(text.parse::<AllowedPaths>().unwrap().is_unlimited(), "{text:?}");
    }
    assert_eq!("/a:/b,s3://c:/d".parse::<AllowedPaths>().unwrap().to_string(), "/a, /b, /d, s3://c");
}

#[test]
fn what_cannot_be_looked_at_is_refused() {
    for argument in [at("data/loop/x"), format!("{}/{}", at("data"), "x".repeat(5000)), "x".repeat(200_000)] {
        assert!(check(&argument).is_err(), "{argument:.80}");
    }
    assert!(check(&format!("{}{}", at("data"), ",x".repeat(100))).is_err());
}

/// A path that leads outside.
fn outside() -> impl Strategy<Value = String> {
    const FIXED: &[&str] = &[
        "secret/key",
        "secret/new/file",
        "data-not/key",
        "data/out/key",
        "data/out",
        "data/out/new/file",
        "data/in/leads-out",
        "data/in/leads-out/x",
        "data/dangling",
        "data/dangling/x",
        "data/within/leads-out",
    ];
    let climbing = ("[a-z]{1,4}(/[a-z]{1,4}){0,2}", 0usize..6, "[a-z]{1,6}")
        .prop_map(|(down, more, name)| format!("data/{down}/{}{name}", "../".repeat(4 + more)));
    let there = prop_oneof![select(FIXED).prop_map(str::to_owned), climbing].prop_map(|name| at(&name));
    let remote = select(&["/vsizip/a.zip/x", "/vsicurl/http://h/x", "http://h/x", "s3://b/x", "gs+x://b"][..]);
    let relative = select(&["../x", "src/lib.rs", "./Cargo.toml", "a/../../../x"][..]);
    // The same path, written with more in between.
    let padded =
        (there, select(&["/", "//", "/./", "/.//"][..])).prop_map(|(path, slash)| path.replacen('/', slash, 3));
    prop_oneof![4 => padded, 1 => remote.prop_map(str::to_owned), 1 => relative.prop_map(str::to_owned)]
}

/// Ways to hand a path to a program.
fn form() -> impl Strategy<Value = String> {
    const SHAPES: &[&str] = &[
        "PATH",
        "PATH?&skipcarto=true",
        "INSIDE?&geom=PATH",
        "key=PATH",
        "--opt=PATH",
        "--opt=a=PATH",
        "-o=PATH",
        "DRIVER:PATH:sub",
        "DRIVER:\"PATH\":sub",
        "INSIDE,PATH",
        "PATH,INSIDE",
        "INSIDE:PATH",
        "INSIDE PATH",
        "PATH INSIDE",
        "a b,c PATH,d e",
        "@PATH",
        "{\"file\": \"PATH\"}",
        "<SourceFilename>PATH</SourceFilename>",
        "f(PATH)",
        "INSIDE;PATH|x",
    ];
    select(SHAPES).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_path_that_leads_outside_passes_in_any_form(path in outside(), form in form()) {
        let argument = form.replace("PATH", &path).replace("INSIDE", &at("data/in/p.tif"));
        prop_assert!(check(&argument).is_err(), "{}", argument);
    }

    #[test]
    fn no_absolute_path_that_leads_outside_passes_attached_to_an_option(path in outside(), option in "-[A-Za-z]{1,5}") {
        prop_assume!(path.starts_with('/'));
        let argument = format!("{option}{path}");
        prop_assert!(check(&argument).is_err(), "{}", argument);
    }

    #[test]
    fn any_text_that_passes_opens_nothing_outside(text in "[a-z/.=:,?&\" -]{0,24}") {
        // The tests' own folder is not allowed.
        if check(&text).is_ok() {
            for piece in text.split(separates).chain([text.as_str()]).filter(|piece| !piece.is_empty()) {
                prop_assert!(fs::symlink_metadata(piece).is_err(), "{} in {}", piece, text);
            }
        }
    }

    #[test]
    fn any_argument_is_judged_without_a_panic(argument: String, allowed in "[/.a-z:,]{0,20}") {
        if let Ok(allowed) = allowed.parse::<AllowedPaths>() {
            let invocation =
                Invocation::new(CallId::new("c", 1, 1), "f".into(), vec!["App".into(), argument], vec![], 0);
            let _ = allowed.check(&invocation, 0, &[]);
        }
    }
}
