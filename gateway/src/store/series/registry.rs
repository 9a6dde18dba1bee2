//! Short numbers for names, so that rows are small.
//!
//! A meter, a node and a *layout* (which quantities a pack carries, in which order) each
//! have a number from 0, given when it is first met and for ever. A number is written in
//! the transaction of the first row that uses it.

use std::borrow::Borrow;
use std::hash::Hash;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rusqlite::{Transaction, params};
use wire::{Name, Quantity, Reading};

use super::quick::QuickMap;
use crate::store::error::{During, StoreError};

/// A quantity of a pack: its number, and in the high byte how many readings of the same
/// quantity come before it in the pack. Packs should carry none twice; none is lost.
pub(super) type Column = u16;

/// The columns of a pack, in the order of its readings.
pub(super) type Layout = Arc<[Column]>;

/// Returns the column of a quantity's only (or first) reading.
pub(super) fn column_of(quantity: Quantity) -> Column {
    u16::from(quantity.id())
}

/// Returns the quantity of a column.
pub(super) fn quantity_of(column: Column) -> Option<Quantity> {
    let [id, _] = column.to_le_bytes();
    Quantity::from_id(id)
}

#[derive(Clone, Debug)]
struct Numbered<K> {
    items: Vec<K>,
    /// By item, once one was asked for: of 100,000 names it takes a third of a start.
    numbers: OnceLock<QuickMap<K, u32>>,
}

// Derived, it would ask for a default name.
impl<K> Default for Numbered<K> {
    fn default() -> Self {
        Self { items: Vec::new(), numbers: OnceLock::new() }
    }
}

impl<K: Clone + Eq + Hash> Numbered<K> {
    fn add(&mut self, item: K) -> u32 {
        let number = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        if let Some(numbers) = self.numbers.get_mut() {
            numbers.insert(item.clone(), number);
        }
        self.items.push(item);
        number
    }

    fn number<Q: Eq + Hash + ?Sized>(&self, item: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        let numbers = self.numbers.get_or_init(|| self.items.iter().cloned().zip(0..).collect());
        numbers.get(item).copied()
    }
}

/// The numbers given so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    meters: Numbered<Name>,
    nodes: Numbered<Name>,
    layouts: Numbered<Layout>,
}

impl Registry {
    /// Reads what was ever written. Of meters that snapshots have named it takes their word,
    /// which has a checksum: for each the number of the first, and the names, in order.
    pub(super) fn load(
        tx: &Transaction<'_>,
        named: Vec<(u32, Vec<Name>)>,
    ) -> Result<Self, StoreError> {
        let mut registry = Self::default();
        let meters = &mut registry.meters;
        for (first, names) in named {
            load_names(tx, "meter", meters, index(first))?;
            in_turn("meter", first.into(), meters.items.len())?;
            meters.items.extend(names);
        }
        load_names(tx, "meter", meters, usize::MAX)?;
        load_names(tx, "node", &mut registry.nodes, usize::MAX)?;
        const DURING: &str = "read the layouts of packs";
        compare_with_index(tx, "layout", "columns", 0)?;
        let sql = "SELECT id, columns FROM layout NOT INDEXED ORDER BY id";
        let mut query = tx.prepare(sql).during(DURING)?;
        let mut rows = query.query(()).during(DURING)?;
        while let Some(row) = rows.next().during(DURING)? {
            in_turn("layout", row.get(0).during(DURING)?, registry.layouts.items.len())?;
            let bytes: Vec<u8> = row.get(1).during(DURING)?;
            let columns =
                bytes.chunks_exact(2).map(|pair| Column::from_le_bytes([pair[0], pair[1]]));
            registry.layouts.add(columns.collect());
        }
        Ok(registry)
    }

    /// Writes every name and number into another file.
    pub(super) fn copy_into(&self, out: &Transaction<'_>) -> Result<(), StoreError> {
        for (number, name) in (0..).zip(&self.meters.items) {
            insert(out, INSERT_METER, number, name.as_str())?;
        }
        for (number, name) in (0..).zip(&self.nodes.items) {
            insert(out, INSERT_NODE, number, name.as_str())?;
        }
        for (number, layout) in (0..).zip(&self.layouts.items) {
            insert(out, INSERT_LAYOUT, number, layout_bytes(layout))?;
        }
        Ok(())
    }

    pub(super) fn meter(&self, name: &Name) -> Option<u32> {
        self.meters.number(name)
    }

    pub(super) fn meter_name(&self, meter: u32) -> Option<Name> {
        self.meters.items.get(index(meter)).copied()
    }

    /// Returns the names of meters with numbers in a row, as far as there are any.
    pub(super) fn meter_names(&self, range: Range<u32>) -> &[Name] {
        let end = index(range.end).min(self.meters.items.len());
        self.meters.items.get(index(range.start)..end).unwrap_or_default()
    }

    pub(super) fn meter_count(&self) -> usize {
        self.meters.items.len()
    }

    pub(super) fn node(&self, name: &Name) -> Option<u32> {
        self.nodes.number(name)
    }

    pub(super) fn node_name(&self, node: u32) -> Option<Name> {
        self.nodes.items.get(index(node)).copied()
    }

    pub(super) fn layout(&self, layout: u32) -> Option<&Layout> {
        self.layouts.items.get(index(layout))
    }

    pub(super) fn layout_number(&self, columns: &[Column]) -> Option<u32> {
        self.layouts.number(columns)
    }

    /// Returns the meter's number; gives it one, written with `tx`, if it has none.
    pub(super) fn meter_or_new(
        this: &mut Arc<Self>,
        tx: &Transaction<'_>,
        name: &Name,
    ) -> Result<u32, StoreError> {
        if let Some(meter) = this.meter(name) {
            return Ok(meter);
        }
        let meter = Arc::make_mut(this).meters.add(*name);
        insert(tx, INSERT_METER, meter, name.as_str())?;
        Ok(meter)
    }

    /// Returns the node's number; gives it one, written with `tx`, if it has none.
    pub(super) fn node_or_new(
        this: &mut Arc<Self>,
        tx: &Transaction<'_>,
        name: &Name,
    ) -> Result<u32, StoreError> {
        if let Some(node) = this.node(name) {
            return Ok(node);
        }
        let node = Arc::make_mut(this).nodes.add(*name);
        insert(tx, INSERT_NODE, node, name.as_str())?;
        Ok(node)
    }

    /// Returns the number of a pack's layout; gives it one if it has none.
    pub(super) fn layout_or_new(
        this: &mut Arc<Self>,
        tx: &Transaction<'_>,
        columns: &[Column],
    ) -> Result<u32, StoreError> {
        if let Some(layout) = this.layout_number(columns) {
            return Ok(layout);
        }
        let layout = Arc::make_mut(this).layouts.add(Arc::from(columns));
        insert(tx, INSERT_LAYOUT, layout, layout_bytes(columns))?;
        Ok(layout)
    }
}

/// Numbers are given in turn; one that is missing would shift all names after it.
fn in_turn(table: &str, id: i64, expected: usize) -> Result<(), StoreError> {
    if usize::try_from(id) == Ok(expected) {
        return Ok(());
    }
    let what = format!("`{table}` has number {id} where {expected} should be");
    Err(StoreError::corrupt("read the names of meters and nodes", what))
}

/// Reads names from the first that is not known on, up to a number.
fn load_names(
    tx: &Transaction<'_>,
    table: &str,
    numbered: &mut Numbered<Name>,
    end: usize,
) -> Result<(), StoreError> {
    const DURING: &str = "read the names of meters and nodes";
    let first = numbered.items.len();
    if end <= first {
        return Ok(());
    }
    let number = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    compare_with_index(tx, table, "name", number(first))?;
    let sql =
        format!("SELECT id, name FROM {table} NOT INDEXED WHERE ?1 <= id AND id < ?2 ORDER BY id");
    let mut query = tx.prepare(&sql).during(DURING)?;
    let mut rows = query.query(params![number(first), number(end)]).during(DURING)?;
    while let Some(row) = rows.next().during(DURING)? {
        in_turn(table, row.get(0).during(DURING)?, numbered.items.len())?;
        let text: String = row.get(1).during(DURING)?;
        let name = Name::new(&text).map_err(|error| {
            StoreError::corrupt(DURING, format!("`{text}` in `{table}`: {error}"))
        })?;
        numbered.add(name);
    }
    Ok(())
}

/// Compares a table with its index, from a number on. Names have no checksum, but they stand
/// twice: a bit that flipped in one of them must not give a meter's readings to another.
fn compare_with_index(
    tx: &Transaction<'_>,
    table: &str,
    column: &str,
    first: i64,
) -> Result<(), StoreError> {
    const DURING: &str = "compare the names of meters and nodes with their index";
    let index = format!("sqlite_autoindex_{table}_1");
    let sql = format!(
        "SELECT (SELECT count(*) FROM {table} NOT INDEXED) =
                (SELECT count(*) FROM {table} INDEXED BY {index} WHERE {column} >= '')
            AND NOT EXISTS (
                SELECT 1 FROM {table} AS own NOT INDEXED WHERE ?1 <= own.id AND NOT EXISTS (
                SELECT 1 FROM {table} AS other INDEXED BY {index}
                WHERE other.{column} = own.{column} AND other.id = own.id))"
    );
    let same: bool = tx.query_row(&sql, params![first], |row| row.get(0)).during(DURING)?;
    if same {
        return Ok(());
    }
    Err(StoreError::corrupt(DURING, format!("`{table}` and its index differ")))
}

const INSERT_METER: &str = "INSERT INTO meter (id, name) VALUES (?1, ?2)";
const INSERT_NODE: &str = "INSERT INTO node (id, name) VALUES (?1, ?2)";
const INSERT_LAYOUT: &str = "INSERT INTO layout (id, columns) VALUES (?1, ?2)";

fn layout_bytes(columns: &[Column]) -> Vec<u8> {
    columns.iter().flat_map(|column| column.to_le_bytes()).collect()
}

/// Writes the columns of readings into `out`, in their order.
pub(super) fn columns_of(readings: &[Reading], out: &mut Vec<Column>) {
    out.clear();
    for (at, reading) in readings.iter().enumerate() {
        let earlier = readings.iter().take(at).filter(|it| it.quantity == reading.quantity);
        let nth = u8::try_from(earlier.count()).unwrap_or(u8::MAX);
        out.push(Column::from_le_bytes([reading.quantity.id(), nth]));
    }
}

/// Returns whether readings have these columns, without working theirs out: those follow
/// from the quantities and their order.
pub(super) fn is_of(readings: &[Reading], columns: &[Column]) -> bool {
    let same = |(reading, column): (&Reading, &Column)| {
        let [id, _] = column.to_le_bytes();
        reading.quantity.id() == id
    };
    readings.len() == columns.len() && readings.iter().zip(columns).all(same)
}

fn insert(
    tx: &Transaction<'_>,
    sql: &str,
    number: u32,
    content: impl rusqlite::ToSql,
) -> Result<(), StoreError> {
    const DURING: &str = "give a meter or node its number";
    tx.prepare_cached(sql).during(DURING)?.execute(params![number, content]).during(DURING)?;
    Ok(())
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
