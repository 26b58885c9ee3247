//! From an OTB application's own description to a command template, and to an element template for Camunda Modeler.
//!
//! [`launcher`] has an application describe itself, [`help`] reads what it says; [`command`] and [`element`] write the
//! two texts, which agree on the names of variables ([`Parameter::variable`]) and on what must be given. All but the
//! launcher is pure. The user's view of the same is `docs/modeler.md`.

pub mod command;
pub mod element;
pub mod help;
pub mod launcher;

mod schema;

#[cfg(test)]
mod tests;

/// An application, as it describes itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// `OrthoRectification`.
    pub name: String,
    /// OTB's version, `8.1.1`.
    pub version: String,
    /// What it does, a sentence or two.
    pub description: String,
    /// Its parameters and their groups, in its own order.
    pub parameters: Vec<Parameter>,
}

/// One parameter, or a group of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// `io.in`: its place in the tree of groups and choices, and without a dash what the command line says.
    pub key: String,
    /// `Input Image`.
    pub name: String,
    /// What it means; empty where OTB says nothing.
    pub description: String,
    /// What it takes.
    pub kind: Kind,
    /// Whether OTB says that it cannot do without it, in the branch of choices where it stands.
    pub is_mandatory: bool,
    /// Whether OTB misses it when nothing at all is given.
    pub is_missing: bool,
    /// What OTB takes otherwise.
    pub default: Option<String>,
}

/// What a parameter takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing: it holds others.
    Group,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A text: a file, a folder, an expression. OTB does not tell which.
    Text,
    /// Texts, one argument each.
    Texts,
    /// An image file to write, and perhaps after it one of these types of pixels.
    Image {
        /// `uint8`, `uint16`, …
        pixels: Vec<String>,
        /// Which of them OTB takes otherwise.
        default: Option<String>,
    },
    /// One of these.
    Choice(Vec<Choice>),
}

/// What a choice offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// `bco`, for the command line.
    pub key: String,
    /// `Bicubic interpolation`.
    pub name: String,
    /// What it means; empty where OTB says nothing.
    pub description: String,
}

/// A choice that must be made for a parameter to have a meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branch<'a> {
    /// The parameter that offers the choice.
    pub of: &'a Parameter,
    /// What is to be chosen.
    pub choice: &'a str,
}

impl Application {
    /// The name of its template: `otb-ortho-rectification`.
    pub fn template_name(&self) -> String {
        let mut name = String::from("otb");
        let letters: Vec<char> = self.name.chars().collect();
        for (at, letter) in letters.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| letters[before]);
            let ends_capitals = || letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
            if before.is_none_or(|before| !before.is_ascii_uppercase() && letter.is_ascii_uppercase())
                || letter.is_ascii_uppercase() && ends_capitals()
            {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// The parameters that take something.
    pub fn values(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.kind != Kind::Group)
    }

    fn parameter(&self, key: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.key == key)
    }

    /// The choices above a parameter: `interpolator.bco.radius` counts when `interpolator` is `bco`.
    pub fn branches<'a>(&'a self, parameter: &'a Parameter) -> Vec<Branch<'a>> {
        let key = parameter.key.as_str();
        let above = key.match_indices('.').filter_map(|(dot, _)| {
            let of = self.parameter(&key[..dot])?;
            let choice = key[dot + 1..].split('.').next()?;
            matches!(&of.kind, Kind::Choice(choices) if choices.iter().any(|offered| offered.key == choice))
                .then_some(Branch { of, choice })
        });
        above.collect()
    }

    /// Whether it must be given whenever its branches are chosen.
    ///
    /// A number beside a choice `mode` need not be: there OTB works it out of the input images (`outputs.spacingx` of
    /// OrthoRectification), or says that it cannot.
    pub fn requires(&self, parameter: &Parameter) -> bool {
        let is_number = matches!(parameter.kind, Kind::Integer | Kind::Float);
        let beside = parameter.key.rsplit_once('.').map(|(above, _)| format!("{above}.mode"));
        let is_worked_out = is_number && beside.is_some_and(|mode| self.parameter(&mode).is_some());
        let is_in_branch = !self.branches(parameter).is_empty();
        let lacks_value = parameter.is_mandatory && parameter.default.is_none();
        lacks_value && (parameter.is_missing || is_in_branch) && !is_worked_out
    }
}

impl Parameter {
    /// The name of the variable that holds its value: `otb_io_in` for `io.in`.
    ///
    /// The prefix keeps apart what the process calls `mode`, and what FEEL or Tera reserve, such as `in`.
    pub fn variable(&self) -> String {
        format!("otb_{}", self.key.replace('.', "_"))
    }

    /// The name of the variable for the type of an image's pixels.
    pub fn pixel_variable(&self) -> String {
        format!("{}_pixel", self.variable())
    }

    /// Whether it names a file that the application writes. Of images OTB says so; other files it calls by keys such as
    /// `out`, `io.out`, `outmatrix`, `io.confmatout` or `out.xml`.
    pub fn is_output(&self) -> bool {
        let own = self.key.rsplit('.').next().unwrap_or_default();
        let is_called_so =
            own.starts_with("out") || own.ends_with("out") || self.key.starts_with("out.") && own != "in";
        matches!(self.kind, Kind::Image { .. }) || self.kind == Kind::Text && is_called_so
    }
}
