#![expect(clippy::unwrap_used, reason = "tests")]

use super::render;
use serde_json::json;

/// The whole message for each mistake: what is wrong, where, what to write. `docs/templates.md` lists the same.
#[test]
fn each_mistake_has_a_message_that_says_what_to_write() {
    let vars = json!({
        "P_": "/in/DIM.XML", "n": null, "a": {"b": null, "c": 1}, "il": ["x", "y"], "dash": "-exec", "nul": "a\0b",
        "bools": [true],
    });
    for (cmdline, expected) in [
        (
            "prog -out {{ S3PATH }}/x.tif",
            "1:14: variable `S3PATH` is not known; set it in the process (an input mapping of the task), or as a site \
             constant under [vars] in the configuration. Known here: P_, a, bools, dash, il, n, nul",
        ),
        (
            "prog\n  {{ n }}",
            "2:6: variable `n` is null; set it in the process (an input mapping of the task), or as a site constant under \
             [vars] in the configuration. Known here: P_, a, bools, dash, il, n, nul",
        ),
        (
            "prog {{ a.x }}",
            "1:9: `a.x` is not known (`a` has b, c); correct the name, or write `a.x | default(value=…)` if it may be \
             missing",
        ),
        (
            "prog {{ a.b }}",
            "1:9: `a.b` is null; give it a value in the process, or write `a.b | default(value=…)` if it may be missing",
        ),
        (
            "prog -inp \"{{ P_ }}\"",
            "1:15: the placeholder stands inside quotes (\" opened at column 11); write `{{ P_ }}` without quotes: a value \
             is always one argument, blanks and all",
        ),
        (
            "prog {{ dash }}",
            "1:9: the value of `dash` starts an argument with `-` (\"-exec\"), so the program would take it for an option; \
             write `{{ dash | option }}` if it may be one, or put text before it, as in `./{{ dash }}`",
        ),
        (
            "prog -inp {P_} -out {S3PATH}/x.tif",
            "1:11: `{P_}` is left over from Python (or shell) formatting; write `{{ P_ }}`, or `\\{P_\\}` where braces are \
             meant",
        ),
        (
            "prog {{ nul }}",
            "1:9: the value of `nul` contains a NUL byte (or text made of `| args` or `| option`, which must come last), which \
             no argument can; remove it",
        ),
        ("prog a\0b", "1:7: a NUL byte cannot be part of a command; remove it"),
        (
            "prog -il {{ il }}",
            "1:13: `il` is an array; write `{{ il | args }}` for one argument for each element, or `{{ il | join(sep=\",\") \
             }}` for one argument",
        ),
        ("prog {{ a }}", "1:9: `a` is an object; write which field is meant, as in `{{ a.name }}`"),
        (
            "prog x{{ il | args }}",
            "1:10: `{{ il | args }}` becomes several arguments; put blanks before and after it, or use `| join(sep=…)`",
        ),
        (
            "prog {{ il | args }}.tif",
            "1:9: `{{ il | args }}` becomes several arguments; put blanks before and after it, or use `| join(sep=…)`",
        ),
        (
            "prog {{ P_ | args }}",
            "1:9: `P_ | args`: `| args` needs an array; for one argument write `{{ … }}` without it",
        ),
        (
            "prog {{ bools | args }}",
            "1:9: `bools | args`: an element of the array is a boolean; `| args` takes strings and numbers",
        ),
        ("{{ P_ }} -x", "1:4: the program cannot come from a value; write its name in the template, before `{{ P_ }}`"),
        (
            "otb{{ P_ }} -x",
            "1:7: the program cannot come from a value; write its name in the template, before `{{ P_ }}`",
        ),
        ("prog it's", "1:8: the quote ' is never closed; close it, or write `\\'` where the sign itself is meant"),
        ("prog a \\", "1:8: nothing follows this backslash; write `\\\\` for a backslash, or remove it"),
        (
            "prog a | tee log",
            "1:8: `|` is for a shell, and there is none; remove it, or write `'|'` to hand it to the program",
        ),
        ("  ", "1:2: the command is empty; write the program and its arguments"),
        ("'' a", "1:1: the program's name is empty; write which program to run"),
        (
            "prog {{ P_ | upcase }}",
            "1:14: the filter `upcase` is not known here; these are: abs, args, default, first, float, int, join, last, \
             length, lower, nth, option, replace, reverse, round, sort, split, trim, unique, upper",
        ),
        ("prog {{ now() }}", "1:9: the function `now` is not known here; these are: throw"),
        (
            "prog {% include 'x' %}",
            "1:9: the tag `include` cannot be used in a command; these can: if, elif, else, endif, for, endfor, set, \
             set_global, break, continue, raw",
        ),
        ("prog {{ throw(message='no mode') }}", "1:9: no mode"),
        ("prog {{ P_ + 1 }}", "1:9: `+` requires both operands to be numbers, found `string` and `i64`"),
    ] {
        assert_eq!(render(cmdline, vars.clone()).unwrap_err(), format!("cmdline:{expected}"), "{cmdline}");
    }
}

#[test]
fn a_syntax_error_has_teras_own_message_at_its_own_place() {
    let error = render("prog\n {{ P_ ", json!({})).unwrap_err();
    assert!(error.starts_with("cmdline:2:") && error.contains("template syntax: "), "{error}");
    let error = render("prog {{ a b }}", json!({})).unwrap_err();
    assert!(error.starts_with("cmdline:1:11: template syntax: "), "{error}");
}

#[test]
fn columns_count_characters_and_stay_right_behind_rewritten_expressions() {
    let error = render("prog é {{ a }} {{ a | default(value=1) }} {{ b }}", json!({"a": 1})).unwrap_err();
    assert!(error.starts_with("cmdline:1:46: variable `b`"), "{error}");
    let error = render("prog {{ a }} {{ 'x' | round }}", json!({"a": 1})).unwrap_err();
    assert!(error.starts_with("cmdline:1:17: ") || error.starts_with("cmdline:1:23: "), "{error}");
}

#[test]
fn an_error_lists_a_readable_number_of_known_names() {
    let many = (0..50).map(|i| (format!("v{i:02}"), json!(i))).collect::<serde_json::Map<_, _>>();
    let error = render("prog {{ x }}", many.into()).unwrap_err();
    assert!(error.contains("v00, v01") && error.ends_with("v19, and 30 more"), "{error}");
}
