//! What an expression may cost: what is too much is refused or fails, and never takes the process with it.

use crate::variables;
use zeebe2faas_feel::{Evaluated, parse};

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().reason
}

fn evaluated(text: &str) -> Evaluated {
    parse(text).unwrap().evaluate(&variables(), 0)
}

fn failure(text: &str) -> String {
    evaluated(text).failure.unwrap_or_else(|| panic!("{text} gives a value"))
}

#[test]
fn nesting_without_end_is_refused() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{a:", "}"), ("f(", ")"), ("if ", ""), ("1 in (", ")"), ("f((", ""), ("[[", "..")]
    {
        let text = format!("{}1{}", open.repeat(5000), close.repeat(5000));
        assert!(refusal(&text).contains("nest"), "{open}: {}", refusal(&text));
    }
    assert!(refusal(&format!("x{}", ".a[1]".repeat(1000))).contains("follow one another"));
    assert!(refusal(&"1+".repeat(100_000)).contains("characters"));
}

#[test]
fn a_long_chain_of_operators_is_evaluated() {
    for (operator, operand) in [(" + ", "1"), (" and ", "true"), (" or ", "false"), (" * ", "1")] {
        assert!(evaluated(&vec![operand; 5000].join(operator)).failure.is_none());
    }
}

#[test]
fn what_is_nested_as_deep_as_it_may_be_is_evaluated() {
    let text = format!("{}1{}", "[".repeat(45), "]".repeat(45));
    assert!(evaluated(&text).failure.is_none());
}

#[test]
fn ranges_and_loops_have_an_end() {
    assert!(failure("for i in 1..100000000 return i").contains("numbers"));
    assert!(failure("for i in 1..2000, j in 1..2000 return i").contains("rounds"));
    assert!(failure("for i in 1..1000 return for j in 1..1000 return for k in 1..1000 return 1").contains("steps"));
}

#[test]
fn strings_and_lists_do_not_grow_without_end() {
    let doubled = "for i in 1..60 return if i = 1 then \"abcdefgh\" else partial[-1] + partial[-1]";
    assert!(failure(doubled).contains("items"));
    let entries: Vec<_> = (1..100).map(|n| format!("a{n}: [a{0}, a{0}]", n - 1)).collect();
    assert!(failure(&format!("{{a0: 1, {}}}", entries.join(", "))).contains("items"));
    assert!(failure("for i in 1..1000 return [partial[-1]]").contains("deep"));
    assert!(failure("count(context put({}, for i in 1..100000 return \"k\", 1))").contains("deep"));
}

#[test]
fn functions_that_call_one_another_have_an_end() {
    let functions: Vec<_> = (1..400).map(|n| format!("f{n}: function(a) f{}(a) + 1", n - 1)).collect();
    let text = format!("{{f0: function(a) a, {}, r: f399(1)}}.r", functions.join(", "));
    assert!(evaluated(&text).failure.is_some());
}

#[test]
fn numbers_stay_within_their_exponents() {
    assert!(failure("10 ** 999999").contains("range"));
    assert!(failure("decimal(1, 100000000)").contains("range"));
    assert_eq!(evaluated("number(\"1e999999999\")").value.type_name(), "NULL");
}

#[test]
fn a_warning_about_a_large_value_is_short() {
    let warnings = evaluated("(for i in 1..10000 return i) + 1").warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.len() < 1100, "{} bytes", warnings[0].message.len());
}
