//! The products and promo codes that every run begins with, read from `fixtures/` or from the copy inside the binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use giftgenius::money::Currency;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::index::{IN_DESCRIPTION, IN_TAGS, IN_TITLE, Index, Labels};
use super::wire::Filter;

const PRODUCTS_FILE: &str = "catalog.json";
const PROMO_CODES_FILE: &str = "promo_codes.json";

/// A product.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Its id: lower-case words with hyphens.
    pub sku: String,
    /// What it is called.
    pub title: String,
    /// One or two sentences.
    pub description: String,
    /// Its one category.
    pub category: String,
    /// Occasions and interests.
    pub tags: Vec<String>,
    /// Whom it suits.
    pub recipients: Vec<String>,
    /// Its price in minor units, in each currency that it is sold in.
    pub prices: BTreeMap<Currency, i64>,
    /// How many are on the shelf when a run begins.
    pub stock: u32,
}

impl Product {
    /// What is wrong with it, and what to do; `first` unless its SKU was there before.
    pub(crate) fn flaw(&self, first: bool) -> Option<String> {
        let sku = &self.sku;
        if sku.is_empty() || !sku.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return Some(format!("SKU `{sku}` must be lower-case letters, digits and hyphens"));
        }
        if !first {
            return Some(format!("SKU `{sku}` stands twice: rename or remove one of them"));
        }
        if self.prices.is_empty() {
            return Some(format!("product `{sku}` has no price: give it one, such as {{\"EUR\": 4200}}"));
        }
        let (currency, price) = self.prices.iter().find(|(_, price)| **price <= 0)?;
        Some(format!("product `{sku}` costs {price} in {currency}: a price is above 0, in minor units"))
    }
}

/// A code that lowers the total of a quote.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoCode {
    /// What the person types.
    pub code: String,
    /// What it is, for people.
    pub description: String,
    /// Percent of the total, rounded down.
    #[serde(default)]
    pub percent_off: Option<u8>,
    /// Minor units by currency; refused in another.
    #[serde(default)]
    pub amount_off: Option<BTreeMap<Currency, i64>>,
    /// The last instant at which it counts; `None` is for ever.
    pub valid_until: Option<Timestamp>,
}

impl PromoCode {
    /// What it takes off a sum of minor units; `None` if it cannot be used on it, or not any more.
    pub fn discount(&self, sum: i64, currency: Currency, now: Timestamp) -> Option<i64> {
        if self.valid_until.is_some_and(|until| until < now) {
            return None;
        }
        match (self.percent_off, &self.amount_off) {
            (Some(percent), _) => {
                let percent = i64::from(percent);
                // In two parts, so that no sum overflows.
                Some(sum / 100 * percent + sum % 100 * percent / 100)
            }
            (None, Some(amounts)) => amounts.get(&currency).copied(),
            (None, None) => None,
        }
    }

    /// What is wrong with it, and what to do.
    pub(crate) fn flaw(&self) -> Option<String> {
        let sound = match (self.percent_off, &self.amount_off) {
            (Some(percent), None) => (1..=99).contains(&percent),
            (None, Some(amounts)) => !amounts.is_empty() && amounts.values().all(|amount| *amount > 0),
            (Some(_), Some(_)) | (None, None) => false,
        };
        (!sound).then(|| {
            format!(
                "promo code `{}` takes off nothing that can be told: give it either `percent_off` from 1 to 99, or \
                 `amount_off` with amounts above 0",
                self.code
            )
        })
    }
}

/// A fixture that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// The file cannot be read.
    #[error(
        "cannot read {}: {source}; give a folder that holds {PRODUCTS_FILE} and {PROMO_CODES_FILE}, or none for the \
         built-in products",
        file.display()
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file does not have the form.
    #[error("{}:{line}:{column}: {what}; correct the entry there, `fixtures/README.md` tells the form", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// An entry does not make sense.
    #[error("{}:{line}: {what}", file.display())]
    Senseless {
        /// The file.
        file: PathBuf,
        /// The line of the entry, from 1.
        line: usize,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// Which products carry which category, tag and recipient.
#[derive(Debug, Default)]
struct Labelled {
    categories: Labels,
    tags: Labels,
    recipients: Labels,
}

impl Labelled {
    fn new(products: &[Product]) -> Self {
        let mut labelled = Self::default();
        let all = products.len();
        for (number, product) in products.iter().enumerate() {
            labelled.categories.add(&product.category, number, all);
            product.tags.iter().for_each(|tag| labelled.tags.add(tag, number, all));
            product.recipients.iter().for_each(|recipient| labelled.recipients.add(recipient, number, all));
        }
        labelled
    }

    /// For each label that a filter names, which products carry it; `None` where no product carries one of them.
    fn carrying(&self, filter: &Filter<'_>) -> Option<[Option<&[bool]>; 3]> {
        let wanted = [
            (&self.categories, &filter.category),
            (&self.tags, &filter.occasion),
            (&self.recipients, &filter.recipient),
        ];
        let mut carrying = [None; 3];
        for ((labels, label), carry) in wanted.into_iter().zip(&mut carrying) {
            if let Some(label) = label {
                *carry = Some(labels.carrying(label)?);
            }
        }
        Some(carrying)
    }
}

/// Products and promo codes, checked and indexed.
#[derive(Debug)]
pub struct Fixture {
    /// Ordered by SKU.
    products: Vec<Product>,
    /// As written.
    promo_codes: Vec<PromoCode>,
    index: Index,
    labelled: Labelled,
}

/// The shop that a run sells from: a fixture, and the folder that it was read from unless it is the built-in one.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Products and promo codes.
    pub fixture: Arc<Fixture>,
    /// Where they come from.
    pub source: Source,
}

/// Where a shop comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// The binary holds it.
    BuiltIn,
    /// It was read from a folder.
    Folder(PathBuf),
    /// The scenario brings it along.
    Scenario,
}

impl Shop {
    /// The shop in a folder.
    pub fn load(folder: &Path) -> Result<Self, FixtureError> {
        Ok(Self { fixture: Arc::new(Fixture::load(folder)?), source: Source::Folder(folder.to_owned()) })
    }

    /// The shop that a scenario brings along.
    pub fn of(fixture: Fixture) -> Self {
        Self { fixture: Arc::new(fixture), source: Source::Scenario }
    }
}

impl Default for Shop {
    /// The built-in shop.
    fn default() -> Self {
        Self { fixture: Fixture::embedded(), source: Source::BuiltIn }
    }
}

impl PartialEq for Shop {
    /// The same products: those of a folder or of the binary are read once a process, those of a scenario with each scenario.
    fn eq(&self, other: &Self) -> bool {
        let equal = || {
            let (one, other) = (&self.fixture, &other.fixture);
            self.source == Source::Scenario && one.products == other.products && one.promo_codes == other.promo_codes
        };
        self.source == other.source && (Arc::ptr_eq(&self.fixture, &other.fixture) || equal())
    }
}

impl Fixture {
    /// Reads `catalog.json` and `promo_codes.json` of a folder.
    pub fn load(folder: &Path) -> Result<Self, FixtureError> {
        let read = |name: &str| {
            let file = folder.join(name);
            fs::read_to_string(&file)
                .map_err(|source| FixtureError::Unreadable { file: file.clone(), source })
                .map(|text| (file, text))
        };
        let (products_file, products) = read(PRODUCTS_FILE)?;
        let (promo_codes_file, promo_codes) = read(PROMO_CODES_FILE)?;
        Self::parse((&products_file, &products), (&promo_codes_file, &promo_codes))
    }

    /// The products inside the binary; the same for every run.
    pub fn embedded() -> Arc<Self> {
        static EMBEDDED: LazyLock<Arc<Fixture>> = LazyLock::new(|| {
            let fixture = Fixture::parse(
                (Path::new(PRODUCTS_FILE), include_str!("../../../../fixtures/catalog.json")),
                (Path::new(PROMO_CODES_FILE), include_str!("../../../../fixtures/promo_codes.json")),
            );
            Arc::new(fixture.expect("a test parses the embedded fixture"))
        });
        EMBEDDED.clone()
    }

    fn parse(
        (products_file, products_text): (&Path, &str),
        (promo_codes_file, promo_codes_text): (&Path, &str),
    ) -> Result<Self, FixtureError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ProductsFile {
            products: Vec<Product>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct PromoCodesFile {
            promo_codes: Vec<PromoCode>,
        }
        let ProductsFile { products } = parse(products_file, products_text)?;
        let PromoCodesFile { promo_codes } = parse(promo_codes_file, promo_codes_text)?;
        let mut seen = BTreeSet::new();
        for product in &products {
            let first = seen.insert(product.sku.as_str());
            if let Some(what) = product.flaw(first) {
                return Err(FixtureError::Senseless {
                    file: products_file.to_owned(),
                    line: line_of(products_text, "sku", &product.sku, first),
                    what,
                });
            }
        }
        for promo_code in &promo_codes {
            if let Some(what) = promo_code.flaw() {
                return Err(FixtureError::Senseless {
                    file: promo_codes_file.to_owned(),
                    line: line_of(promo_codes_text, "code", &promo_code.code, true),
                    what,
                });
            }
        }
        Ok(Self::new(products, promo_codes))
    }

    /// Products and codes that have no flaw, each SKU once.
    pub fn new(mut products: Vec<Product>, promo_codes: Vec<PromoCode>) -> Self {
        products.sort_by(|one, other| one.sku.cmp(&other.sku));
        let mut index = Index::default();
        for (number, product) in products.iter().enumerate() {
            index.add(number, &product.title, IN_TITLE);
            index.add(number, &product.tags.join(" "), IN_TAGS);
            index.add(number, &product.description, IN_DESCRIPTION);
        }
        let labelled = Labelled::new(&products);
        Self { products, promo_codes, index, labelled }
    }

    /// Every product, ordered by SKU.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// Every promo code, as written.
    pub fn promo_codes(&self) -> &[PromoCode] {
        &self.promo_codes
    }

    /// The product of a SKU.
    pub fn product(&self, sku: &str) -> Option<&Product> {
        let found = self.products.binary_search_by(|product| product.sku.as_str().cmp(sku));
        found.ok().map(|index| &self.products[index])
    }

    /// A promo code as the person typed it, whatever its case.
    pub fn promo_code(&self, code: &str) -> Option<&PromoCode> {
        let code = code.trim();
        self.promo_codes.iter().find(|known| known.code.eq_ignore_ascii_case(code))
    }

    /// Every product that answers a text and passes a filter's labels, with how well it answers, ordered by SKU.
    pub(super) fn answering<'a>(&'a self, filter: &Filter<'_>) -> impl Iterator<Item = (u32, &'a Product)> {
        let carrying = self.labelled.carrying(filter);
        let known = carrying.is_some();
        let scores = if known { self.index.scores(&filter.text, self.products.len()) } else { Vec::new() };
        let carrying = carrying.unwrap_or_default();
        let passes = move |product: usize| carrying.iter().flatten().all(|carry| carry[product]);
        let found = scores.into_iter().zip(&self.products).enumerate();
        found.filter_map(move |(number, (score, product))| Some((score.filter(|_| passes(number))?, product)))
    }
}

fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, FixtureError> {
    serde_json::from_str(text).map_err(|error| {
        let what = error.to_string();
        FixtureError::Malformed {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
            // The place stands before the sentence already.
            what: what.rsplit_once(" at line ").map_or(&*what, |(what, _)| what).to_owned(),
        }
    })
}

/// The line (from 1) where an entry says that its `field` is `value`: the first such line, or the last.
fn line_of(text: &str, field: &str, value: &str, first: bool) -> usize {
    let (field, value) = (format!("\"{field}\""), format!("\"{value}\""));
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.contains(&field) && line.contains(&value))
        .map(|(number, _)| number);
    let found = if first { lines.next() } else { lines.last() };
    found.unwrap_or(1)
}
