use super::{object, render};
use crate::bridge::render::{DEFAULT_COMMAND_LIMIT, Template};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Map, json};

/// Strings of all kinds, with those that mean something to shells, Tera and our own marks far more often than by chance.
fn strings() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            " ", "\t", "\n", "'", "\"", "\\", "-", "--", "{{", "}}", "{%", "%}", "{P_}", "$(x)", "`x`", ";", "|", "&&",
            ">", "*", "~", "\u{1}", "\u{ff}", "T12", "V0:1:1", "{# #}", "é", "🦀", "#", "\u{85}", "\u{a0}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(pieces, 0..6).prop_map(|parts| parts.concat())
}

/// Templates of all the pieces that Tera and the splitting know, in any order; many are refused.
fn templates() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        " ",
        " ",
        "\n",
        "-x",
        "text",
        "'q q'",
        "\"d\\\" d\"",
        "\\ ",
        "é",
        "{{ a }}",
        "{{ b }}",
        "{{- a }}",
        "{{ b -}}",
        "{{a}}",
        "{{ a ~ b }}",
        "{{ a | default(value=b) }}",
        "{{ list[0] }}",
        "{{ list | args }}",
        "{{ a | option }}",
        "{{ (a if b else list[1]) }}",
        "{# c #}",
        "{#- c -#}",
        "{% if a %}y{% endif %}",
        "{% if a -%} {{ b }} {%- endif %}",
        "{% for i in list %}{{ i }} {% endfor %}",
        "{% for i in list %}{{ i }}{% endfor %}",
        "{% set c = a %}",
        "{{ c | default(value=\"}}\") }}",
        "{% raw %}{{ a }}{% endraw %}",
        "{%- raw -%} r {%- endraw -%}",
        "{{ [x ~ 'y' for x in list if x != 'z'] | args }}",
        "{{ list | join(sep=' ') }}",
        "'",
        "\"",
        "{",
        "}",
    ]);
    prop::collection::vec(pieces, 0..10).prop_map(|parts| format!("prog {}", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_string_is_exactly_one_argument_or_an_error(s in strings()) {
        match render("prog {{ s }}", json!({"s": s})) {
            Ok(args) => prop_assert_eq!(args, ["prog".to_owned(), s]),
            Err(_) => prop_assert!(s.starts_with('-') || s.contains('\0'), "{:?}", s),
        }
    }

    #[test]
    fn any_string_but_one_with_nul_can_be_an_option_where_allowed(s in strings()) {
        match render("prog {{ s | option }}", json!({"s": s})) {
            Ok(args) => prop_assert_eq!(args, ["prog".to_owned(), s]),
            Err(_) => prop_assert!(s.contains('\0'), "{:?}", s),
        }
    }

    #[test]
    fn no_value_changes_the_program_the_number_of_arguments_or_the_text_beside_it(a in strings(), b in strings()) {
        let cmdline = "prog -a x{{ a }}?&skipcarto=true 'q q' {{ b }}/x.tif {{ a }}{{ b }} {% if a %}yes{% else %}no{% endif %} end";
        match render(cmdline, json!({"a": a, "b": b})) {
            Ok(args) => {
                let truth = if a.is_empty() { "no" } else { "yes" };
                let expected = [
                    "prog".to_owned(), "-a".to_owned(), format!("x{a}?&skipcarto=true"), "q q".to_owned(),
                    format!("{b}/x.tif"), format!("{a}{b}"), truth.to_owned(), "end".to_owned(),
                ];
                prop_assert_eq!(args, expected);
            }
            Err(_) => prop_assert!(
                a.starts_with('-') || b.starts_with('-') || a.contains('\0') || b.contains('\0'), "{:?} {:?}", a, b
            ),
        }
    }

    #[test]
    fn each_element_of_an_array_is_one_argument(list in prop::collection::vec(strings(), 0..5)) {
        match render("prog {{ list | args | option }} end", json!({"list": list})) {
            Ok(args) => {
                prop_assert_eq!(&args[1..args.len() - 1], &list[..]);
                prop_assert_eq!((args[0].as_str(), args[args.len() - 1].as_str()), ("prog", "end"));
            }
            Err(_) => prop_assert!(list.iter().any(|item| item.contains('\0')), "{:?}", list),
        }
    }

    #[test]
    fn in_any_template_values_only_stand_in_for_themselves(cmdline in templates(), a in strings(), b in strings()) {
        let sentinels = render(&cmdline, json!({"a": "\u{e000}", "b": "\u{e001}", "list": ["\u{e000}", "\u{e001}"]}));
        let values = render(&cmdline, json!({"a": &a, "b": &b, "list": [&a, &b]}));
        let is_usual = |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(['\0', '\u{e001}']);
        if is_usual(&a) && is_usual(&b) {
            let put_in = |arg: String| arg.replace('\u{e000}', &a).replace('\u{e001}', &b);
            let expected = sentinels.map(|args| args.into_iter().map(put_in).collect::<Vec<_>>());
            prop_assert_eq!(values, expected);
        }
    }

    #[test]
    fn no_template_and_no_value_panics(template in strings(), name in strings(), value in strings()) {
        let cmdline = format!("prog {template} {{{{ s }}}} {name}");
        let vars = object(json!({"s": value, name: 1}));
        if let Ok(template) = Template::inline(&cmdline, "cmdline") {
            let _outcome = template.render(&vars, &Map::new(), DEFAULT_COMMAND_LIMIT);
        }
    }

    #[test]
    fn quoted_text_comes_out_as_it_was(s in strings()) {
        let quoted = format!("prog {{% raw %}}'{}'{{% endraw %}}", s.replace('\'', r"'\''"));
        if !s.contains('\0') && !s.contains("{%") {
            prop_assert_eq!(render(&quoted, json!({})).unwrap(), ["prog".to_owned(), s]);
        }
    }
}
