use super::{object, render};
use crate::bridge::render::Template;
use serde_json::{Map, json};

#[test]
fn a_value_and_the_text_beside_it_are_one_argument() {
    let vars = json!({"P_": "/in/DIM P.XML", "S3PATH": "/out dir", "e": "", "n": -3, "x": 0.5, "yes": true});
    for (cmdline, expected) in [
        ("prog {{ P_ }}?&skipcarto=true", vec!["prog", "/in/DIM P.XML?&skipcarto=true"]),
        ("prog -out {{ S3PATH }}/x.tif uint16", vec!["prog", "-out", "/out dir/x.tif", "uint16"]),
        ("prog {{ P_ }}{{ S3PATH }}", vec!["prog", "/in/DIM P.XML/out dir"]),
        ("prog {{ e }}", vec!["prog", ""]),
        ("prog {{ e }}{{ e }} a", vec!["prog", "", "a"]),
        ("prog {{ n }} {{ x }} {{ yes }}", vec!["prog", "-3", "0.5", "true"]),
        ("prog {{ S3PATH ~ '/x y' }}", vec!["prog", "/out dir/x y"]),
        ("prog -{{ x }}", vec!["prog", "-0.5"]),
        ("{% set base = S3PATH ~ '/a' %}prog {{ base }}/b", vec!["prog", "/out dir/a/b"]),
    ] {
        assert_eq!(render(cmdline, vars.clone()).unwrap(), expected, "{cmdline}");
    }
}

#[test]
fn literal_text_is_split_like_words_of_a_shell() {
    for (cmdline, expected) in [
        ("  prog\ta \r\n b\n", vec!["prog", "a", "b"]),
        ("prog 'a b' \"c d\"", vec!["prog", "a b", "c d"]),
        (r#"prog 'a\b' "a\b\"c\\" a\ b \\"#, vec!["prog", r"a\b", r#"a\b"c\"#, "a b", r"\"]),
        ("prog '' \"\" a''b", vec!["prog", "", "", "ab"]),
        ("prog \\\n  a\\\nb", vec!["prog", "ab"]),
        ("prog \"a\\\nb\"", vec!["prog", "ab"]),
        ("prog it\\'s '$HOME' $HOME *", vec!["prog", "it's", "$HOME", "$HOME", "*"]),
        ("prog '>' \\| \"im1b1 > 3 ? 1 : 0\"", vec!["prog", ">", "|", "im1b1 > 3 ? 1 : 0"]),
        ("prog '{\"a\": 1}' {}", vec!["prog", "{\"a\": 1}", "{}"]),
        ("prog \\{name\\} {% raw %}{name} {{ x }}{% endraw %}", vec!["prog", "{name}", "{name}", "{{", "x", "}}"]),
        ("prog {{ \"{\" }}name}", vec!["prog", "{name}"]),
        ("prog a{# a comment with {P_} and ' #}b", vec!["prog", "ab"]),
        ("prog é☃ü", vec!["prog", "é☃ü"]),
    ] {
        assert_eq!(render(cmdline, json!({})).unwrap(), expected, "{cmdline}");
    }
}

#[test]
fn an_array_becomes_as_many_arguments_as_it_has_elements() {
    let vars = json!({"il": ["a b", "c", 3, 0.5], "empty": [], "dashes": ["-x", "-y"], "numbers": [-1, -2.5]});
    for (cmdline, expected) in [
        ("prog -il {{ il | args }} -out x", vec!["prog", "-il", "a b", "c", "3", "0.5", "-out", "x"]),
        ("prog {{ empty | args }} x", vec!["prog", "x"]),
        ("prog {{ dashes | args | option }}", vec!["prog", "-x", "-y"]),
        ("prog {{ numbers | args }}", vec!["prog", "-1", "-2.5"]),
        ("prog {{ il | join(sep=',') }}", vec!["prog", "a b,c,3,0.5"]),
        ("prog {{ il[0] }} {{ il | first }} {{ il | length }}", vec!["prog", "a b", "a b", "4"]),
        ("prog {% for i in il %}-i {{ i }} {% endfor %}", vec!["prog", "-i", "a b", "-i", "c", "-i", "3", "-i", "0.5"]),
        ("prog {{ [x ~ '.tif' for x in il] | args }}", vec!["prog", "a b.tif", "c.tif", "3.tif", "0.5.tif"]),
        ("prog {% for i in empty %}{{ i }}{% else %}nothing{% endfor %}", vec!["prog", "nothing"]),
    ] {
        assert_eq!(render(cmdline, vars.clone()).unwrap(), expected, "{cmdline}");
    }
}

#[test]
fn an_option_may_come_from_a_value_where_the_template_says_so() {
    let vars = json!({"mode": "-fast", "path": "-x", "e": ""});
    assert_eq!(render("prog {{ mode | option }}", vars.clone()).unwrap(), ["prog", "-fast"]);
    assert_eq!(render("prog ./{{ path }}", vars.clone()).unwrap(), ["prog", "./-x"]);
    for cmdline in [
        "prog {{ path }}",
        "prog {{ e }}{{ path }}",
        "prog ''{{ path }}",
        "prog {{ path }}.tif",
        "prog {{ ['a', path] | args }}",
        "prog {{ ['-1'] | args }}",
        "prog {{ path | args | option }}",
    ] {
        let error = render(cmdline, vars.clone()).unwrap_err();
        assert!(error.contains("with `-`") || error.contains("needs an array"), "{cmdline}: {error}");
    }
}

#[test]
fn absence_is_no_error_where_the_template_says_what_then() {
    let vars = json!({"a": {"b": null, "c": 1}, "list": [{"x": null}, {"x": 2}]});
    for (cmdline, expected) in [
        ("prog {{ dem | default(value='d') }}", vec!["prog", "d"]),
        ("prog {{ a.b | default(value='d') }}", vec!["prog", "d"]),
        ("prog {% if dem is defined %}-dem {{ dem }}{% endif %}", vec!["prog"]),
        ("prog {% if a.x is not defined %}none{% endif %}", vec!["prog", "none"]),
        ("prog {{ a?.x?.y | default(value=1) }}", vec!["prog", "1"]),
        ("prog {% for i in list %}{{ i.x | default(value='-' ~ 'n') | option }} {% endfor %}", vec!["prog", "-n", "2"]),
        ("prog {{ a.c if a.c > 0 else a.b }}", vec!["prog", "1"]),
    ] {
        assert_eq!(render(cmdline, vars.clone()).unwrap(), expected, "{cmdline}");
    }
}

#[test]
fn unknown_and_null_are_errors_wherever_tera_would_be_silent() {
    let vars = json!({"n": null, "a": {"b": null}, "list": [{"x": null}], "nulls": [null, 1], "empty": []});
    for cmdline in [
        "prog {% if missing %}x{% endif %}",
        "prog {% if n %}x{% endif %}",
        "prog {% if a.b %}x{% endif %}",
        "prog {% if a.missing %}x{% endif %}",
        "prog {% if not missing %}x{% endif %}",
        "prog {{ 'x' ~ n }}",
        "prog {{ 'x' ~ missing }}",
        "prog {{ 'x' ~ a.b }}",
        "prog {% for i in list %}{{ i.x ~ '' }}{% endfor %}",
        "prog {{ nulls | join(sep=',') }}",
        "prog {{ nulls | args }}",
        "prog {{ nulls | first ~ '' }}",
        "prog {{ empty | first }}",
        "prog {{ nulls[0] }}",
        "prog {{ nulls[7] }}",
        "prog {{ n | upper }}",
        "prog {{ null }}",
        "prog {{ a }}",
        "prog {{ list }}",
        "prog {{ a | args }}",
        "prog {{ 'x' | args }}",
        "prog {{ [true] | args }}",
    ] {
        let outcome = render(cmdline, vars.clone());
        assert!(outcome.is_err(), "{cmdline}: {outcome:?}");
    }
}

#[test]
fn job_variables_override_site_constants_unless_they_are_null() {
    let template = Template::inline("prog {{ DEM }} {{ GEOID }}", "cmdline").unwrap();
    let site = object(json!({"DEM": "/site/dem", "GEOID": "/site/geoid"}));
    let command = template.render(&object(json!({"DEM": "/job/dem"})), &site, 100).unwrap();
    assert_eq!(command.args, ["prog", "/job/dem", "/site/geoid"]);
    let command = template.render(&object(json!({"DEM": null})), &site, 100).unwrap();
    assert_eq!(command.args, ["prog", "/site/dem", "/site/geoid"]);
    let null = template.render(&object(json!({"DEM": null, "GEOID": "g"})), &Map::new(), 100).unwrap_err();
    assert!(null.message.contains("`DEM` is null"), "{null}");
    assert_eq!(template.variables().collect::<Vec<_>>(), ["DEM", "GEOID"]);
}

#[test]
fn nothing_of_tera_can_hide_or_break_a_mark() {
    let vars = json!({"x": "a'b \" c", "xs": ["p q"]});
    for cmdline in [
        "prog {% filter upper %}{{ x }}{% endfilter %}",
        "prog {% set y %}{{ x }}{% endset %}{{ y }}",
        "prog {{ x | safe }}",
        "prog {{ xs | args | upper }}",
        "prog {{ (xs | args) ~ 'y' }}",
        "prog {{ ([] | args) ~ 'y' }}",
        "prog {{ ('x' | args) ~ 'y' }}",
        "prog {{ (xs | args)[0] }}",
        "prog {% for y in xs | args %}{{ y }}{% endfor %}",
        "prog {% set y = xs | args %}{{ y }}",
        "prog {{ x | option | replace(from='a', to='b') }}",
        "prog {% include 'x' %}",
        "{% extends 'x' %}prog",
        "prog {% block x %}{% endblock %}",
        "prog {{ __tera_context }}",
        "prog {{ range(end=3) | args }}",
        "prog {{ now() }}",
        "prog {{ get_env(name='HOME') }}",
        "prog {{ x | zeebe2faas_value(at=0, to=1) }}",
        "prog {{ <X/> }}",
        "prog \0V0:1:1\0x\0",
    ] {
        let outcome = render(cmdline, vars.clone());
        assert!(outcome.is_err(), "{cmdline:?}: {outcome:?}");
    }
    assert!(render("prog {{- x -}} y", vars.clone()).unwrap_err().contains("program"));
    assert_eq!(render("prog a{# c -#}  {{ x }}", vars.clone()).unwrap(), ["prog", "aa'b \" c"]);
    assert_eq!(render("prog a {{ x -}}{# c #} b", vars).unwrap(), ["prog", "a", "a'b \" cb"]);
}

#[test]
fn a_command_over_the_limit_is_refused_and_a_loop_cannot_fill_the_memory() {
    let template = Template::inline("prog {{ x }}", "cmdline").unwrap();
    let vars = object(json!({"x": "y".repeat(10)}));
    assert!(template.render(&vars, &Map::new(), 16).is_ok());
    let error = template.render(&vars, &Map::new(), 15).unwrap_err().to_string();
    assert!(error.contains("16 bytes long, over the limit of 15") && error.contains("`{{ x }}` with 10"), "{error}");

    let cmdline = "prog {% for a in x %}{% for b in x %}{% for c in x %}{{ a }}{% endfor %}{% endfor %}{% endfor %}";
    let template = Template::inline(cmdline, "cmdline").unwrap();
    let vars = object(json!({"x": vec!["0123456789"; 1000]}));
    let error = template.render(&vars, &Map::new(), 1000).unwrap_err();
    assert!(error.message.contains("over the limit of 1000"), "{error}");
}

#[test]
fn no_template_keeps_a_processor_or_the_memory() {
    let nested = |container: &str| {
        let (open, close) = (format!("{{% for i in {container} %}}"), "{% endfor %}");
        format!("prog {}{}", open.repeat(8), close.repeat(8))
    };
    let ones = vec!["1"; 40].join(",");
    for cmdline in [
        nested("list"),
        nested(&format!("[{ones}]")),
        nested("list | sort | reverse"),
        nested("(list if true else list)"),
        nested("text | split(pat='')"),
        nested("absent | default(value=list)"),
        nested("object?.list"),
        "prog {{ [[1 for i in many] for i in many] | length }}".to_owned(),
        format!("prog {{{{ text{} }}}}", " | replace(from='x', to=text)".repeat(8)),
        "prog {% set a = text %}{% for i in list %}{% set_global a = a ~ a %}{% endfor %}{{ a }}".to_owned(),
        format!("prog {}{{{{ text }}}}", "{% set text = text ~ text %}".repeat(40)),
        format!(
            "prog {}{{{{ a?.b }}}}",
            "{% set a = {'b': (a?.b | default(value=text)) ~ (a?.b | default(value=text))} %}".repeat(40)
        ),
        "prog {{ many | unique | args }}".to_owned(),
        "prog {{ many | join(sep=long) }}".to_owned(),
        format!("prog {}", " ".repeat(70_000)),
    ] {
        let vars = json!({
            "list": vec!["1"; 40], "text": "x".repeat(40), "object": { "list": vec!["1"; 40] },
            "many": (0..100_000).collect::<Vec<_>>(), "long": "y".repeat(100_000),
        });
        let error = render(&cmdline, vars).unwrap_err();
        assert!(
            error.contains("too much work") || error.contains("longer than 65536 bytes"),
            "{error}: {cmdline:.200}"
        );
    }
    // What people write goes through.
    let vars = json!({ "list": vec!["p.tif"; 5000] });
    let args = render("prog {% for f in list %}-il {{ f | replace(from='.', to='_') }} {% endfor %}", vars).unwrap();
    assert_eq!(args.len(), 10_001);
}

#[test]
fn what_can_be_seen_without_values_is_refused_before_there_are_any() {
    for cmdline in [
        "prog '{{ x }}'",
        "{{ x }} a",
        "prog it's",
        "prog a > b",
        "",
        "prog {x}",
        "prog {{ x | y }}",
        "prog {% if x %}",
    ] {
        assert!(Template::inline(cmdline, "cmdline").is_err(), "{cmdline}");
    }
    let cmdline = "{% if x == 1 %}{{ throw(message='not 1') }}{% endif %}prog";
    assert_eq!(render(cmdline, json!({"x": 2})).unwrap(), ["prog"]);
    assert_eq!(render(cmdline, json!({"x": 1})).unwrap_err(), "cmdline:1:19: not 1");
}

#[test]
fn templates_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Template>();
}
