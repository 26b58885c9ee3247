//! The rules of operators, from those that bind least to those that bind most.

use super::super::syntax::{Comparator, Exp, Interval, Iterators, Node, Operator, Quantifier, Test};
use super::super::value::Value;
use super::{Parser, Rule};
use std::sync::Arc;

const COMPARATORS: [(&str, Comparator); 4] = [
    ("<=", Comparator::LessOrEqual),
    (">=", Comparator::GreaterOrEqual),
    ("<", Comparator::Less),
    (">", Comparator::Greater),
];

impl Parser {
    pub(super) fn expression(&mut self) -> Option<Node> {
        self.remember(Rule::Expression, |parser| {
            let found = parser.attempt(Self::conditional);
            let found = found.or_else(|| parser.attempt(Self::repetition));
            let found = found.or_else(|| parser.attempt(Self::quantified));
            found.or_else(|| parser.disjunction())
        })
    }

    fn conditional(&mut self) -> Option<Node> {
        self.word("if")?;
        let condition = self.expression()?;
        self.word("then")?;
        let yes = self.expression()?;
        self.word("else")?;
        let no = self.expression()?;
        Some(Arc::new(Exp::If(condition, yes, no)))
    }

    fn repetition(&mut self) -> Option<Node> {
        self.word("for")?;
        let iterators = self.iterators()?;
        self.word("return")?;
        let body = self.expression()?;
        Some(Arc::new(Exp::For(iterators, body)))
    }

    fn quantified(&mut self) -> Option<Node> {
        let quantifier = self.one_of(&[("some", Quantifier::Some), ("every", Quantifier::Every)])?;
        let iterators = self.iterators()?;
        self.word("satisfies")?;
        let condition = self.expression()?;
        Some(Arc::new(Exp::Quantified(quantifier, iterators, condition)))
    }

    fn iterators(&mut self) -> Option<Iterators> {
        self.some_separated(|parser| {
            let name = parser.name()?;
            parser.word("in")?;
            let steps = parser.attempt(|parser| {
                let start = parser.arithmetic()?;
                parser.word("..")?;
                let end = parser.arithmetic()?;
                Some(Arc::new(Exp::Steps(start, end)))
            });
            let over = match steps {
                Some(steps) => steps,
                None => parser.value()?,
            };
            Some((name, over))
        })
    }

    fn disjunction(&mut self) -> Option<Node> {
        let terms = self.joined("or", Self::conjunction)?;
        Some(one_or(terms, Exp::Or))
    }

    fn conjunction(&mut self) -> Option<Node> {
        let terms = self.joined("and", Self::comparison)?;
        Some(one_or(terms, Exp::And))
    }

    fn joined(&mut self, word: &str, term: fn(&mut Self) -> Option<Node>) -> Option<Vec<Node>> {
        let mut terms = vec![term(self)?];
        terms.extend(std::iter::from_fn(|| {
            self.attempt(|parser| {
                parser.word(word)?;
                term(parser)
            })
        }));
        Some(terms)
    }

    fn comparison(&mut self) -> Option<Node> {
        let compared = self.attempt(|parser| {
            let left = parser.arithmetic()?;
            Some(parser.attempt(|parser| parser.compared(&left)).unwrap_or(left))
        });
        compared.or_else(|| self.simple_test())
    }

    /// What may follow the left side of a comparison.
    fn compared(&mut self, left: &Node) -> Option<Node> {
        let found = self.attempt(|parser| parser.compared_with(left));
        let found = found.or_else(|| self.attempt(|parser| parser.between(left)));
        let found = found.or_else(|| self.attempt(|parser| parser.instance_of(left)));
        found.or_else(|| self.attempt(|parser| parser.within(left)))
    }

    fn compared_with(&mut self, left: &Node) -> Option<Node> {
        if self.word("!=").is_some() {
            let right = self.arithmetic()?;
            return Some(Arc::new(Exp::Not(Arc::new(Exp::Compare(Comparator::Equal, left.clone(), right)))));
        }
        let comparator = self.one_of(&COMPARATORS).or_else(|| self.word("=").map(|()| Comparator::Equal))?;
        let right = self.arithmetic()?;
        Some(Arc::new(Exp::Compare(comparator, left.clone(), right)))
    }

    fn between(&mut self, left: &Node) -> Option<Node> {
        self.word("between")?;
        let low = self.arithmetic()?;
        self.word("and")?;
        let high = self.arithmetic()?;
        Some(Arc::new(Exp::And(vec![
            Arc::new(Exp::Compare(Comparator::GreaterOrEqual, left.clone(), low)),
            Arc::new(Exp::Compare(Comparator::LessOrEqual, left.clone(), high)),
        ])))
    }

    fn instance_of(&mut self, left: &Node) -> Option<Node> {
        const SPACED: [&str; 4] = ["years and months duration", "days and time duration", "date and time", "function"];
        self.word("instance")?;
        self.word("of")?;
        self.space();
        let spaced = SPACED.iter().find(|name| self.exactly(name).is_some()).map(|name| (*name).to_owned());
        let name = match spaced {
            Some(name) => name,
            None => self.qualified_name()?.join("."),
        };
        Some(Arc::new(Exp::InstanceOf(left.clone(), name)))
    }

    fn within(&mut self, left: &Node) -> Option<Node> {
        self.word("in")?;
        let tests = self.attempt(|parser| {
            parser.word("(")?;
            let tests = parser.some_separated(Self::test)?;
            parser.word(")")?;
            Some(one_or(tests, |tests| Exp::Test(Test::AnyOf(tests))))
        });
        let test = match tests {
            Some(tests) => tests,
            None => self.test()?,
        };
        Some(Arc::new(Exp::In(left.clone(), test)))
    }

    /// FEEL 1.3, grammar rule 8.
    fn test(&mut self) -> Option<Node> {
        let boolean = self.attempt(|parser| {
            let value = parser.one_of(&[("true", true), ("false", false)])?;
            parser.space();
            (parser.at == parser.text.len()).then(|| Arc::new(Exp::Literal(Value::Boolean(value))))
        });
        if let Some(boolean) = boolean {
            return Some(Arc::new(Exp::Test(Test::Equals(boolean))));
        }
        let simple = self.attempt(Self::simple_test);
        simple.or_else(|| Some(Arc::new(Exp::Test(Test::Holds(self.expression()?)))))
    }

    fn simple_test(&mut self) -> Option<Node> {
        let compared = self.attempt(|parser| {
            let comparator = parser.one_of(&COMPARATORS)?;
            Some(Test::Compare(comparator, parser.arithmetic()?))
        });
        let test = match compared {
            Some(test) => test,
            None => Test::Within(self.interval()?),
        };
        Some(Arc::new(Exp::Test(test)))
    }

    /// FEEL 1.3, grammar rule 10.
    pub(super) fn interval(&mut self) -> Option<Interval> {
        self.attempt(|parser| {
            let starts_with = parser.one_of(&[("(", false), ("]", false), ("[", true)])?;
            let start = parser.arithmetic()?;
            parser.word("..")?;
            let end = parser.arithmetic()?;
            let ends_with = parser.one_of(&[(")", false), ("[", false), ("]", true)])?;
            Some(Interval { start: (start, starts_with), end: (end, ends_with) })
        })
    }

    pub(super) fn arithmetic(&mut self) -> Option<Node> {
        self.remember(Rule::Arithmetic, |parser| {
            parser.chain(&[("+", Operator::Plus), ("-", Operator::Minus)], Self::product)
        })
    }

    fn product(&mut self) -> Option<Node> {
        self.chain(&[("*", Operator::Times), ("/", Operator::Over)], Self::power)
    }

    fn power(&mut self) -> Option<Node> {
        self.chain(&[("**", Operator::Power)], Self::negation)
    }

    fn chain(&mut self, operators: &[(&str, Operator)], operand: fn(&mut Self) -> Option<Node>) -> Option<Node> {
        let first = operand(self)?;
        let rest: Vec<_> = std::iter::from_fn(|| {
            self.attempt(|parser| {
                let operator = parser.one_of(operators)?;
                Some((operator, operand(parser)?))
            })
        })
        .collect();
        Some(if rest.is_empty() { first } else { Arc::new(Exp::Arithmetic(first, rest)) })
    }

    fn negation(&mut self) -> Option<Node> {
        let negative = self.word("-").is_some();
        let value = self.value()?;
        Some(if negative { Arc::new(Exp::Negation(value)) } else { value })
    }
}

/// The only one of `nodes`, or all of them together.
fn one_or(mut nodes: Vec<Node>, all: fn(Vec<Node>) -> Exp) -> Node {
    match nodes.len() {
        1 => nodes.remove(0),
        _ => Arc::new(all(nodes)),
    }
}
