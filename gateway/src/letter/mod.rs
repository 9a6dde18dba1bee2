//! How a mail looks: from what is to be said to plain text and HTML.
//!
//! One layout for every mail, so that a reader knows where to look: what is the matter,
//! the facts, what to do, one button, who writes.
//!
//! In: a [`Letter`], its words already in the reader's language.
//! Out: [`Rendered`], a text that is complete by itself and an HTML of tables and inline
//! styles, 560 px wide, without pictures and without anything loaded from elsewhere.
//!
//! Not here: the words (`alert`, `report`, from the catalogue), sending (`mail`).

use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};

use crate::words::{Language, tag, text};

/// What a mail says, its words ready to be read.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The language of all the words.
    pub language: Language,
    /// Whether something is to be done or has come right.
    pub tone: Tone,
    /// What is the matter, in one sentence.
    pub title: String,
    /// One or two sentences of explanation; may be empty.
    pub lead: String,
    /// Label and value, in the order they are read.
    pub facts: Vec<(String, String)>,
    /// What to do, one step each; may be empty.
    pub steps: Vec<String>,
    /// The label of the one button.
    pub button: String,
    /// The exact page the button opens.
    pub link: String,
    /// Who writes, and when the next mail comes.
    pub footer: Vec<String>,
}

/// The colour of a mail; never the only sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Somebody has to do something.
    Attention,
    /// It has come right.
    Good,
    /// For information.
    Plain,
}

impl Tone {
    // Each has a contrast of at least 4.5 to 1 with white (WCAG 2.1, 1.4.3).
    const fn colour(self) -> &'static str {
        match self {
            Self::Attention => "#b45309",
            Self::Good => "#15803d",
            Self::Plain => "#1d4ed8",
        }
    }
}

/// A letter as it goes into a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// For mail programs that show text, and for whoever reads the first lines only.
    pub text: String,
    /// For all others.
    pub html: String,
}

/// A template of ours is broken.
#[derive(Debug, thiserror::Error)]
#[error("cannot render the mail template `{template}`")]
pub struct LetterError {
    template: &'static str,
    #[source]
    source: minijinja::Error,
}

const TEXT: &str = "letter.txt";
const HTML: &str = "letter.html";

fn environment() -> Result<&'static Environment<'static>, LetterError> {
    static READY: OnceLock<Environment<'static>> = OnceLock::new();
    if let Some(ready) = READY.get() {
        return Ok(ready);
    }
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|source| LetterError { template: TEXT, source })?);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    // What a template's name ends with decides whether it escapes: `.html` does.
    for (template, source) in
        [(TEXT, include_str!("letter.txt")), (HTML, include_str!("letter.html"))]
    {
        let added = environment.add_template(template, source);
        added.map_err(|source| LetterError { template, source })?;
    }
    Ok(READY.get_or_init(|| environment))
}

/// Returns a letter as text and as HTML.
///
/// # Errors
///
/// [`LetterError`] if one of our own templates is broken; no letter can cause that.
pub fn render(letter: Letter) -> Result<Rendered, LetterError> {
    let facts: Vec<_> = letter
        .facts
        .iter()
        .map(|(label, value)| {
            let line = [("label", label.as_str()), ("value", value.as_str())];
            context! { label, value, line => text(letter.language, "mail.fact", &line) }
        })
        .collect();
    let values = context! {
        language => tag(letter.language),
        colour => letter.tone.colour(),
        title => letter.title,
        lead => letter.lead,
        facts,
        todo => text(letter.language, "mail.todo", &[]),
        steps => letter.steps,
        button => letter.button,
        link => letter.link,
        footer => letter.footer,
        otherwise => text(letter.language, "mail.otherwise", &[]),
    };
    let environment = environment()?;
    let print = |template: &'static str| {
        let printed = environment.get_template(template).and_then(|ready| ready.render(&values));
        printed.map_err(|source| LetterError { template, source })
    };
    Ok(Rendered { text: print(TEXT)?, html: print(HTML)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            language: Language::En,
            tone: Tone::Attention,
            title: "Lights are on in <script>alert(1)</script>".to_owned(),
            lead: String::new(),
            facts: vec![("Since".to_owned(), "19:10 & later".to_owned())],
            steps: vec!["Go and look.".to_owned()],
            button: "Open the patrol".to_owned(),
            link: "http://gengfu.example/patrol?finding=1&x=2".to_owned(),
            footer: vec!["Gengfu".to_owned()],
        }
    }

    #[test]
    fn a_name_with_markup_is_text_in_the_html() {
        let rendered = render(letter()).unwrap();

        assert!(rendered.html.contains("&lt;script&gt;"), "{}", rendered.html);
        assert!(!rendered.html.contains("<script"), "{}", rendered.html);
        assert!(rendered.text.contains("<script>alert(1)</script>"), "{}", rendered.text);
    }

    #[test]
    fn the_text_part_says_everything_the_html_says() {
        let letter = letter();

        let rendered = render(letter.clone()).unwrap();

        let (since, value) = &letter.facts[0];
        let words =
            [&letter.title, since, value, &letter.steps[0], &letter.link, &letter.footer[0]];
        for word in words {
            assert!(rendered.text.contains(word.as_str()), "{word} in {}", rendered.text);
        }
    }

    #[test]
    fn the_html_loads_nothing_from_elsewhere() {
        let rendered = render(letter()).unwrap();

        for loader in ["src=", "url(", "<link", "@import", "<img"] {
            assert!(!rendered.html.contains(loader), "{loader} in {}", rendered.html);
        }
    }
}
