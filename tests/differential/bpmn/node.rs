/// An element, until it is written.
#[derive(Debug, Default)]
pub struct Node {
    pub tag: &'static str,
    pub id: String,
    pub attributes: String,
    pub extensions: String,
    pub io: String,
    pub headers: String,
    pub definition: String,
    pub loops: String,
    pub inner: String,
}

impl Node {
    pub fn xml(&self, ends: &str) -> String {
        let Self { tag, id, attributes, definition, loops, inner, .. } = self;
        if tag.is_empty() {
            return format!("{inner}\n");
        }
        let wrapped = |tag: &str, text: &str| match text {
            "" => String::new(),
            text => format!("<{tag}>{text}</{tag}>"),
        };
        let extensions = format!(
            "{}{}{}",
            self.extensions,
            wrapped("zeebe:ioMapping", &self.io),
            wrapped("zeebe:taskHeaders", &self.headers)
        );
        let extensions = wrapped("extensionElements", &extensions);
        format!("<{tag} id=\"{id}\"{attributes}>{extensions}{ends}{loops}{definition}{inner}</{tag}>\n")
    }
}

/// Text in an attribute or an element.
pub fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
