#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Templates, object};
use crate::bridge::render::{DEFAULT_COMMAND_LIMIT, TemplateError};
use serde_json::{Map, json};
use std::path::Path;
use std::time::Duration;
use zeebe2faas_contract::Resources;

fn load(files: &[(&str, &str)]) -> Result<Templates, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let prefix = format!("{}/", directory.path().display());
    let shown = |error: TemplateError| error.to_string().replace(&prefix, "");
    Templates::load(directory.path()).map_err(|errors| errors.into_iter().map(shown).collect())
}

#[test]
fn the_shipped_templates_render_the_chains_three_commands() {
    let templates = Templates::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).unwrap();
    let site = object(json!({"DEM": "/dem", "GEOID": "/egm96.grd"}));
    let vars = object(json!({"P_": "/in/P/DIM.XML", "MS_": "/in/MS/DIM.XML", "S3PATH": "/s3/a b"}));
    for (name, function, outputs, expected) in [
        (
            "bundle-to-perfect-sensor",
            "otbcli",
            "out",
            "BundleToPerfectSensor|-inp|/in/P/DIM.XML?&skipcarto=true|-inxs|/in/MS/DIM.XML|-elev.dem|/dem|-out|\
             /s3/a b/bundle.tif",
        ),
        (
            "ortho-rectification",
            "otbcli",
            "io.out",
            "OrthoRectification|-io.in|/s3/a b/bundle.tif|-elev.dem|/dem|-elev.geoid|/egm96.grd|-io.out|\
             /s3/a b/ortho.tif",
        ),
        (
            "normalize-product",
            "normalize-product",
            "out",
            "call_normalize_function|--in_ms|/in/MS/DIM.XML|--in_ortho|/s3/a b/ortho.tif|-out|\
             /s3/a b/normalized_ortho.tif",
        ),
    ] {
        let template = templates.get(name).unwrap();
        let command = template.render(&vars, &site, DEFAULT_COMMAND_LIMIT).unwrap();
        assert_eq!(command.args.join("|"), expected);
        assert_eq!(
            (template.function.as_deref(), template.outputs.as_slice()),
            (Some(function), &[outputs.to_owned()][..])
        );
        assert_eq!(template.timeout, Some(Duration::from_secs(4 * 3600)));
    }
}

#[test]
fn positions_are_those_of_the_file() {
    for text in [
        "function = \"f\"\ncommand = '''\nprog\n  -a {{ x }}\n'''\n",
        "function = \"f\"\ncommand = \"\"\"prog\n\n  -a {{ x }}\"\"\"\n",
        "function = \"f\"\r\ncommand = '''\r\nprog\r\n  -a {{ x }}\r\n'''\r\n",
    ] {
        let templates = load(&[("a.toml", text)]).unwrap();
        let error = templates.get("a").unwrap().render(&Map::new(), &Map::new(), 100).unwrap_err();
        assert_eq!(error.position, Some((4, 9)), "{text:?}");
    }
    let templates = load(&[("a.toml", "function = \"f\"\ncommand = 'prog {{ x }}'")]).unwrap();
    let error = templates.get("a").unwrap().render(&Map::new(), &Map::new(), 100).unwrap_err();
    assert_eq!(error.position, Some((2, 20)));
}

#[test]
fn an_output_that_a_condition_leaves_out_is_none_of_that_command() {
    let text = "function = \"f\"\noutputs = [\"out\", \"mask\"]\noptional = [\"m\"]\n\
                command = 'prog -out {{ o }}{% if m is defined %} --mask {{ m }}{% endif %}'\n";
    let templates = load(&[("a.toml", text)]).unwrap();
    let template = templates.get("a").unwrap();
    for (vars, outputs) in [
        (json!({"o": "/o", "m": "/m"}), &["out", "mask"][..]),
        (json!({"o": "/o", "m": null}), &["out"]),
        (json!({"o": "mask"}), &["out"]),
    ] {
        let command = template.render(&object(vars), &Map::new(), DEFAULT_COMMAND_LIMIT).unwrap();
        assert_eq!(template.outputs_of(&command), outputs, "{command:?}");
    }
}

#[test]
fn every_mistake_of_every_file_is_reported_at_once() {
    let first = "funktion = \"f\"\noutputs = [\"-out\", 3]\ntimeout = \"4 hours\"\nrequired = [\"a b\", \"x\"]\noptional = [\"x\"]\n\
                 command = '''\nprog {P_} {{ x | upcase }} {S3PATH}\n'''\n";
    let errors = load(&[
        ("a.toml", first),
        ("b.toml", "function = \"Otb CLI\"\ncommand = \"prog \\u0041\"\n"),
        ("c.toml", "function = \"f\"\ncommand = '''prog'''\noutputs = [\"out\"]\n"),
        ("d.toml", "function = = 1\n"),
        ("E_x.toml", ""),
        (".hidden.toml", "not TOML"),
        ("notes.txt", "not TOML"),
    ])
    .unwrap_err();
    let expected = [
        "E_x.toml: the file's name must be lower-case letters, digits and `-`, then `.toml`; rename it",
        "a.toml: the key `function` is missing; write for example `function = \"otbcli\"`",
        "a.toml:1:1: the key `funktion` is not known; these are: description, function, command, outputs, timeout, \
         memory, cores, executor, required, optional",
        "a.toml:2:12: write the parameter's name without dashes: `out`",
        "a.toml:2:20: `outputs` must be given as a string; this is of type integer",
        "a.toml:3:11: `4 hours` is not a duration; write for example `90s`, `30m`, `4h`, `1h30m` or `PT4H`",
        "a.toml:4:13: `a b` is not a variable's name: letters, digits and `_`",
        "a.toml:4:20: `x` is both required and optional; remove it from one of the lists",
        "a.toml:7:6: `{P_}` is left over from Python (or shell) formatting; write `{{ P_ }}`, or `\\{P_\\}` where braces \
         are meant",
        "a.toml:7:18: the filter `upcase` is not known here; these are: abs, args, default, first, float, int, join, last, \
         length, lower, nth, option, replace, reverse, round, sort, split, trim, unique, upper",
        "a.toml:7:28: `{S3PATH}` is left over from Python (or shell) formatting; write `{{ S3PATH }}`, or \
         `\\{S3PATH\\}` where braces are meant",
        "b.toml:1:12: `Otb CLI` is not a function's name: lower-case letters, digits, `-` and `_`, then perhaps `.NAMESPACE`",
        "b.toml:2:11: escapes in the command hide where its mistakes are; write it between `'''` and `'''`",
        "c.toml:3:12: the command has no parameter `-out`; correct the name or remove it",
    ];
    assert_eq!(&errors[..expected.len()], expected);
    assert!(errors[expected.len()].starts_with("d.toml:1:12: "), "{errors:?}");
}

#[test]
fn a_missing_directory_is_an_error_that_names_it() {
    let errors = Templates::load(Path::new("/no/such/directory")).unwrap_err();
    assert!(errors[0].to_string().starts_with("/no/such/directory: the templates cannot be read: "), "{errors:?}");
}

#[test]
fn optional_names_may_be_missing_or_null_and_required_ones_must_be_there() {
    let text = "function = \"f\"\nrequired = [\"unused\"]\noptional = [\"mode\"]\n\
                command = '''prog {% if mode %}-mode {{ mode }}{% endif %}'''\n";
    let templates = load(&[("a.toml", text)]).unwrap();
    let template = templates.get("a").unwrap();
    let render = |vars| template.render(&object(vars), &Map::new(), 100);
    assert_eq!(render(json!({"unused": 1})).unwrap().args, ["prog"]);
    assert_eq!(render(json!({"unused": 1, "mode": null})).unwrap().args, ["prog"]);
    assert_eq!(render(json!({"unused": 1, "mode": "x"})).unwrap().args, ["prog", "-mode", "x"]);
    assert!(render(json!({})).unwrap_err().message.contains("`unused` is not known"));

    let text = "function = \"f\"\noptional = [\"mode\"]\ncommand = '''prog {{ mode }}'''\n";
    let error = load(&[("a.toml", text)]).unwrap().get("a").unwrap().render(&Map::new(), &Map::new(), 100).unwrap_err();
    assert!(error.message.starts_with("the optional variable `mode` is not set here; "), "{error}");
}

#[test]
fn memory_and_cores_are_read_and_their_mistakes_have_a_place() {
    let head = "function = 'f'\ncommand = 'prog'\n";
    let of = |keys: &str| load(&[("a.toml", &format!("{head}{keys}"))]).map(|found| found.get("a").unwrap().resources);
    let resources = |memory_bytes, cores| Ok(Resources { memory_bytes, cores });
    assert_eq!(of("memory = '8Gi'\ncores = 4\n"), resources(Some(8 << 30), Some(4)));
    assert_eq!(of("memory = 2_000_000\n"), resources(Some(2_000_000), None));
    assert_eq!(of(""), resources(None, None));
    assert_eq!(
        of("memory = '8 GB'\ncores = 0\n"),
        Err(vec![
            "a.toml:3:10: `8 GB` is not an amount of memory; write for example `8Gi`, `512Mi` or `2G`".to_owned(),
            "a.toml:4:9: `cores` must be a whole number from 1 to 1024, as in `cores = 4`".to_owned(),
        ])
    );
    assert_eq!(of("cores = 1025").unwrap_err().len() + of("cores = '4'").unwrap_err().len(), 2);
    assert!(of("memory = true").unwrap_err()[0].contains("3:10: `memory` must be given as a string"));
}

#[test]
fn memory_may_grow_with_each_try_that_ran_out_of_it() {
    let read = |lines: &str| load(&[("a.toml", &format!("function = 'f'\ncommand = 'prog'\n{lines}\n"))]);
    let templates = read("memory = ['1Gi', '2Gi', '4Gi']\nexecutor = 'kubernetes-job'").unwrap();
    let template = templates.get("a").unwrap();
    assert_eq!((template.resources.memory_bytes, &*template.more_memory), (Some(1 << 30), &[2 << 30, 4 << 30][..]));
    assert_eq!(template.executor, crate::config::Executor::KubernetesJob);
    for (lines, part) in [
        ("memory = []", "a list of `memory` grows"),
        ("memory = ['2Gi', '1Gi']", "a list of `memory` grows"),
        ("executor = 'k8s'", "expected openfaas or kubernetes-job, found `k8s`"),
    ] {
        let errors = read(lines).unwrap_err();
        assert!(errors[0].contains(part), "{errors:?}");
    }
}
