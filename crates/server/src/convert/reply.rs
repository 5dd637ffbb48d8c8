//! Answers as the bytes of `asof.serving.v1.GetFeaturesResponse`, written without building the message first.
//!
//! What a reply always says (the service, names and types) is encoded once per version; values go from the rows in which
//! they were found into the reply. Types without a form here, and what was computed, take the way over the generated
//! message: a feature at a time. The bytes are those that the generated code would write, and a test holds that.
//!
//! Replies with as many rows, every value there and of a fixed width, differ in nothing but their moment and their values. So
//! one is kept, and the next is a copy of it with other values: a reply of one row and fifty features takes a tenth of the
//! instructions that it takes to write it piece by piece.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use arrow::datatypes::DataType;
use asof_engine::{Served, Values, Warning};
use asof_model::schema::sql_type;
use asof_model::{Columns, Pinned, Result};
use asof_online::Rows;
use asof_proto::serving::v1 as wire;
use prost::Message;
use prost::encoding::encoded_len_varint;

use super::object::{from_pinned, from_warnings};
use super::serving::{Details, from_rows};

/// Tags of fields that are messages, bytes or packed numbers: number << 3 | 2.
mod tag {
    pub(super) const SERVICE: u8 = 0x0A;
    pub(super) const AT: u8 = 0x10;
    pub(super) const FEATURE: u8 = 0x1A;
    pub(super) const VIEW: u8 = 0x22;
    pub(super) const WARNING: u8 = 0x32;
    /// In a feature.
    pub(super) const VALUES: u8 = 0x0A;
    pub(super) const STATUSES: u8 = 0x12;
    pub(super) const VIEWS: u8 = 0x1A;
    /// In a column.
    pub(super) const VALIDITY: u8 = 0x1A;
    pub(super) const INT64S: u8 = 0x22;
    pub(super) const DOUBLES: u8 = 0x2A;
    pub(super) const FLOATS: u8 = 0x32;
    pub(super) const TIMESTAMPS: u8 = 0x5A;
    /// In a message of values.
    pub(super) const PACKED: u8 = 0x0A;
}

/// An answer that only has to be written.
pub(crate) enum Reply {
    /// Straight from where its values are.
    Written(Box<Written>),
    /// By way of the generated message.
    Message(wire::GetFeaturesResponse),
}

/// Values and where they are.
pub(crate) struct Written {
    served: Served,
    /// By feature, the encoded column of those that have no form of their own.
    built: Vec<Option<Vec<u8>>>,
    views: Vec<wire::View>,
    details: Details,
}

/// What all replies of a version have in common.
struct Layout {
    service: Vec<u8>,
    features: Vec<Head>,
    /// Whether all features have a form.
    formed: bool,
    /// Whether all of these are of a fixed width.
    fixed: bool,
    kept: ArcSwapOption<Kept>,
    /// How many bytes a reply takes at most that has no rows, and how many more each row: where all have a form.
    heads: usize,
    values: usize,
    /// What whoever asks should know, encoded.
    warnings: Vec<u8>,
}

/// A reply whose like may be asked for again.
struct Kept {
    rows: usize,
    omit_schema: bool,
    /// What comes behind its moment.
    bytes: Vec<u8>,
    /// Where in it the values of each feature are.
    values: Vec<usize>,
}

/// The most bytes of a reply that is kept. In larger ones the values are what costs.
const MOST_KEPT: usize = 64 << 10;

/// The most bytes that the moment of a reply takes.
const MOST_AT: usize = 11;

/// The most bytes that tags, lengths and the like of a feature take.
const MOST_AROUND: usize = 48;

/// What all replies say of a feature.
struct Head {
    /// The fields of its column before the validity: name and type.
    column: Vec<u8>,
    form: Option<Form>,
}

/// Values that are written without a message of their own, by what they are in a row.
#[derive(Clone, Copy)]
enum Form {
    /// As they are, eight bytes each.
    Doubles,
    /// As they are, four bytes each.
    Floats,
    /// Integers of eight bytes, zigzag and of variable length.
    Longs,
    /// Likewise, of four bytes.
    Ints,
    /// Microseconds.
    Moments,
}

impl Form {
    fn of(data_type: &DataType) -> Option<Form> {
        Some(match data_type {
            DataType::Float64 => Form::Doubles,
            DataType::Float32 => Form::Floats,
            DataType::Int64 => Form::Longs,
            DataType::Int32 => Form::Ints,
            DataType::Timestamp(_, _) => Form::Moments,
            _ => return None,
        })
    }

    fn tag(self) -> u8 {
        match self {
            Form::Longs | Form::Ints => tag::INT64S,
            Form::Doubles => tag::DOUBLES,
            Form::Floats => tag::FLOATS,
            Form::Moments => tag::TIMESTAMPS,
        }
    }

    /// How many bytes the values take.
    fn len(self, rows: &Rows, column: usize) -> usize {
        match self {
            Form::Doubles => 8 * rows.len(),
            Form::Floats => 4 * rows.len(),
            Form::Longs | Form::Ints | Form::Moments => self.integers(rows, column).map(encoded_len_varint).sum(),
        }
    }

    fn write(self, rows: &Rows, column: usize, out: &mut Vec<u8>) {
        match self {
            Form::Doubles => copy::<8>(rows, column, out),
            Form::Floats => copy::<4>(rows, column, out),
            Form::Longs | Form::Ints | Form::Moments => {
                self.integers(rows, column).for_each(|value| varint(value, out));
            }
        }
    }

    /// The most bytes that a value takes.
    fn most(self) -> usize {
        match self {
            Form::Doubles => 8,
            Form::Floats => 4,
            Form::Longs | Form::Ints | Form::Moments => 10,
        }
    }

    /// The values, zigzag.
    fn integers(self, rows: &Rows, column: usize) -> Box<dyn Iterator<Item = u64> + '_> {
        let zigzag = |value: i64| ((value << 1) ^ (value >> 63)) as u64;
        match self {
            Form::Ints => Box::new(rows.slots(column).map(move |slot| zigzag(i32::from_le_bytes(slot).into()))),
            _ => Box::new(rows.slots(column).map(move |slot| zigzag(i64::from_le_bytes(slot)))),
        }
    }
}

/// Slots one after the other.
fn copy<const WIDTH: usize>(rows: &Rows, column: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + WIDTH * rows.len(), 0);
    rows.copy_slots::<WIDTH>(column, out[start..].as_chunks_mut().0);
}

impl Layout {
    fn new(service: &Pinned, features: &Columns, warnings: &[Warning]) -> Self {
        let mut encoded = Vec::new();
        put(tag::SERVICE, &from_pinned(service).encode_to_vec(), &mut encoded);
        let head = |column: &asof_model::Column| {
            let (name, r#type) = (column.name.clone(), sql_type(&column.data_type));
            let named = asof_proto::column::v1::Column { name, r#type, ..Default::default() };
            Head { column: named.encode_to_vec(), form: Form::of(&column.data_type) }
        };
        let features: Vec<Head> = features.0.iter().map(head).collect();
        let formed = features.iter().all(|head| head.form.is_some());
        let heads = features.iter().map(|head| head.column.len() + MOST_AROUND).sum::<usize>() + encoded.len();
        let values = features.iter().map(|head| head.form.map_or(0, Form::most) + 1).sum();
        let fixed = features.iter().all(|head| matches!(head.form, Some(Form::Doubles | Form::Floats)));
        let mut told = Vec::new();
        from_warnings(warnings).iter().for_each(|warning| put(tag::WARNING, &warning.encode_to_vec(), &mut told));
        let kept = ArcSwapOption::empty();
        Layout { service: encoded, features, formed, fixed, kept, heads: heads + told.len(), values, warnings: told }
    }
}

impl Reply {
    /// The answer, behind so many zeros: room for what whoever sends it puts before it.
    pub(crate) fn bytes(&self, room: usize) -> std::result::Result<Vec<u8>, prost::EncodeError> {
        match self {
            Reply::Written(written) => Ok(written.bytes(room)),
            Reply::Message(message) => {
                let mut out = Vec::with_capacity(room + message.encoded_len());
                out.resize(room, 0);
                message.encode(&mut out)?;
                Ok(out)
            }
        }
    }
}

impl Written {
    /// # Errors
    /// `unsupported_type` for a feature that cannot be sent; `online_damaged`, `row_too_large`.
    pub(crate) fn new(served: Served, details: Details) -> Result<Self> {
        let views = if details.told() { served.views() } else { Vec::new() };
        let views = views.iter().map(|rows| from_rows(rows, details)).collect::<Result<_>>()?;
        if served.layout(Layout::new).is_some_and(|layout| layout.formed) && served.is_stored() {
            return Ok(Written { served, built: Vec::new(), views, details });
        }
        let build = |feature: usize| {
            let name = &served.features().0[feature].name;
            let column = match served.values(feature) {
                Values::Stored(_, _) if form(&served, feature).is_some() => return Ok(None),
                Values::Stored(rows, column) => details.column(name, &rows.column(column)?)?,
                Values::Computed(array) => details.column(name, array)?,
            };
            Ok(Some(column.encode_to_vec()))
        };
        let built = (0..served.features().0.len()).map(build).collect::<Result<_>>()?;
        Ok(Written { served, built, views, details })
    }

    fn bytes(&self, room: usize) -> Vec<u8> {
        let made;
        let layout = match self.served.layout(Layout::new) {
            Some(layout) => layout,
            None => {
                made = Layout::new(self.served.service(), self.served.features(), self.served.warnings());
                &made
            }
        };
        let alike = layout.fixed && self.built.is_empty() && !self.details.told() && self.served.rows() > 0;
        let kept = alike.then(|| layout.kept.load());
        let kept = kept.as_ref().and_then(|kept| kept.as_deref()).filter(|kept| kept.is_like(self));
        // As large as it will be, or a little larger: a buffer that grows would copy it several times.
        let values = match kept {
            Some(kept) => layout.service.len() + MOST_AT + kept.bytes.len() + layout.warnings.len(),
            None => {
                let built = self.built.iter().flatten().map(Vec::len).sum::<usize>();
                layout.heads + layout.values * self.served.rows() + built
            }
        };
        let mut out = Vec::with_capacity(room + values);
        out.resize(room, 0);
        out.extend_from_slice(&layout.service);
        if self.served.at().0 != 0 {
            out.push(tag::AT);
            varint(self.served.at().0 as u64, &mut out);
        }
        let start = out.len();
        if let Some(kept) = kept {
            out.extend_from_slice(&kept.bytes);
            if self.fill(layout, kept, &mut out[start..]) {
                out.extend_from_slice(&layout.warnings);
                return out;
            }
            out.truncate(start);
        }
        let zeros = vec![0; self.served.rows()];
        let (mut values, mut whole) = (Vec::new(), true);
        for (feature, head) in layout.features.iter().enumerate() {
            let built = self.built.get(feature).and_then(Option::as_deref);
            let (at, all) = self.feature(feature, head, built, &zeros, &mut out);
            values.push(at - start);
            whole &= all;
        }
        if alike && whole && out.len() <= MOST_KEPT {
            let (rows, omit_schema, bytes) = (self.served.rows(), self.details.omit_schema, out[start..].to_vec());
            layout.kept.store(Some(Arc::new(Kept { rows, omit_schema, bytes, values })));
        }
        for view in &self.views {
            put(tag::VIEW, &view.encode_to_vec(), &mut out);
        }
        out.extend_from_slice(&layout.warnings);
        out
    }

    /// Puts values into a copy of a reply that is like this one. False where a value is not there.
    fn fill(&self, layout: &Layout, kept: &Kept, out: &mut [u8]) -> bool {
        layout.features.iter().zip(&kept.values).enumerate().all(|(feature, (head, at))| {
            let Values::Stored(rows, column) = self.served.values(feature) else { return false };
            let Some(out) = out.get_mut(*at..) else { return false };
            match head.form {
                _ if !rows.is_whole(column) => return false,
                Some(Form::Doubles) => rows.copy_slots::<8>(column, &mut out.as_chunks_mut().0[..kept.rows]),
                Some(Form::Floats) => rows.copy_slots::<4>(column, &mut out.as_chunks_mut().0[..kept.rows]),
                _ => return false,
            }
            true
        })
    }

    /// Where the values of those that have a form begin, and whether all are there.
    fn feature(
        &self,
        feature: usize,
        head: &Head,
        built: Option<&[u8]>,
        zeros: &[u8],
        out: &mut Vec<u8>,
    ) -> (usize, bool) {
        let values = self.served.values(feature);
        let whole = values.is_whole();
        let statuses = (!whole).then(|| self.served.statuses(feature));
        let statuses = statuses.as_ref().map_or(zeros, |statuses| statuses.values());
        let mut views = Vec::new();
        if self.details.told() {
            self.served.depends(feature).iter().for_each(|view| varint(*view as u64, &mut views));
        }
        let rest = sized(statuses.len()) + sized(views.len());
        let mut at = out.len();
        match (built, values, head.form) {
            (None, Values::Stored(rows, column), Some(form)) => {
                let validity = if whole { Vec::new() } else { validity(rows, column) };
                let bytes = form.len(rows, column);
                let values = sized(bytes);
                let named = if self.details.omit_schema { &[][..] } else { &head.column };
                let length = named.len() + sized(validity.len()) + 1 + encoded_len_varint(values as u64) + values;
                begin(tag::FEATURE, 1 + encoded_len_varint(length as u64) + length + rest, out);
                begin(tag::VALUES, length, out);
                out.extend_from_slice(named);
                put_if(tag::VALIDITY, &validity, out);
                begin(form.tag(), values, out);
                if bytes > 0 {
                    begin(tag::PACKED, bytes, out);
                    at = out.len();
                    form.write(rows, column, out);
                }
            }
            (built, _, _) => {
                let column = built.unwrap_or_default();
                begin(tag::FEATURE, 1 + encoded_len_varint(column.len() as u64) + column.len() + rest, out);
                put(tag::VALUES, column, out);
            }
        }
        put_if(tag::STATUSES, statuses, out);
        put_if(tag::VIEWS, &views, out);
        (at, whole)
    }
}

impl Kept {
    /// Whether a reply differs from it in moment and values alone, if these are all there.
    fn is_like(&self, reply: &Written) -> bool {
        (self.rows, self.omit_schema) == (reply.served.rows(), reply.details.omit_schema)
    }
}

fn form(served: &Served, feature: usize) -> Option<Form> {
    Form::of(&served.features().0[feature].data_type)
}

/// One bit per row, set where the value is there.
fn validity(rows: &Rows, column: usize) -> Vec<u8> {
    let mut bits = vec![0; rows.len().div_ceil(8)];
    (0..rows.len()).filter(|row| rows.has(*row, column)).for_each(|row| bits[row / 8] |= 1 << (row % 8));
    bits
}

/// What a field of so many bytes takes with its tag and length; nothing where it is empty.
fn sized(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { 1 + encoded_len_varint(bytes as u64) + bytes }
}

fn begin(tag: u8, bytes: usize, out: &mut Vec<u8>) {
    out.push(tag);
    varint(bytes as u64, out);
}

/// A number as prost's `encode_varint` writes it, which asks a buffer of any kind for room at every byte.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    begin(tag, bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn put_if(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        put(tag, bytes, out);
    }
}
