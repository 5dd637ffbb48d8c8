//! Answers as the bytes of `asof.serving.v1.GetFeaturesResponse`, written without building the message first.
//!
//! What a reply always says (the service, names and types) is encoded once per version; values go from the rows in which
//! they were found into the reply. Types without a form here, and what was computed, take the way over the generated
//! message: a feature at a time. The bytes are those that the generated code would write, and a test holds that.

use arrow::datatypes::DataType;
use asof_engine::{Served, Values};
use asof_model::schema::sql_type;
use asof_model::{Columns, Pinned, Result};
use asof_online::Rows;
use asof_proto::serving::v1 as wire;
use bytes::BufMut;
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};

use super::object::from_pinned;
use super::serving::{Details, from_rows};

/// Tags of fields that are messages, bytes or packed numbers: number << 3 | 2.
mod tag {
    pub(super) const SERVICE: u8 = 0x0A;
    pub(super) const AT: u8 = 0x10;
    pub(super) const FEATURE: u8 = 0x1A;
    pub(super) const VIEW: u8 = 0x22;
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
}

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

    fn write(self, rows: &Rows, column: usize, out: &mut impl BufMut) {
        match self {
            Form::Doubles => copy(rows.slots::<8>(column), out),
            Form::Floats => copy(rows.slots::<4>(column), out),
            Form::Longs | Form::Ints | Form::Moments => {
                self.integers(rows, column).for_each(|value| encode_varint(value, out));
            }
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

/// Slots one after the other, many at a time.
fn copy<const WIDTH: usize>(mut slots: impl Iterator<Item = [u8; WIDTH]>, out: &mut impl BufMut) {
    let mut piece = [[0; WIDTH]; 64];
    loop {
        let mut filled = 0;
        for (place, slot) in piece.iter_mut().zip(&mut slots) {
            *place = slot;
            filled += 1;
        }
        out.put_slice(piece[..filled].as_flattened());
        if filled < piece.len() {
            return;
        }
    }
}

impl Layout {
    fn new(service: &Pinned, features: &Columns) -> Self {
        let mut encoded = Vec::new();
        put(tag::SERVICE, &from_pinned(service).encode_to_vec(), &mut encoded);
        let head = |column: &asof_model::Column| {
            let (name, r#type) = (column.name.clone(), sql_type(&column.data_type));
            let named = asof_proto::column::v1::Column { name, r#type, ..Default::default() };
            Head { column: named.encode_to_vec(), form: Form::of(&column.data_type) }
        };
        Layout { service: encoded, features: features.0.iter().map(head).collect() }
    }
}

impl Reply {
    pub(crate) fn write(&self, out: &mut impl BufMut) -> std::result::Result<(), prost::EncodeError> {
        match self {
            Reply::Written(written) => {
                written.write(out);
                Ok(())
            }
            Reply::Message(message) => message.encode(out),
        }
    }
}

impl Written {
    /// # Errors
    /// `unsupported_type` for a feature that cannot be sent; `online_damaged`, `row_too_large`.
    pub(crate) fn new(served: Served, details: Details) -> Result<Self> {
        let views = if details.told() { served.views() } else { Vec::new() };
        let views = views.iter().map(|rows| from_rows(rows, details)).collect::<Result<_>>()?;
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

    fn write(&self, out: &mut impl BufMut) {
        let made;
        let layout = match self.served.layout(Layout::new) {
            Some(layout) => layout,
            None => {
                made = Layout::new(self.served.service(), self.served.features());
                &made
            }
        };
        out.put_slice(&layout.service);
        if self.served.at().0 != 0 {
            out.put_u8(tag::AT);
            encode_varint(self.served.at().0 as u64, out);
        }
        let zeros = vec![0; self.served.rows()];
        for (feature, (head, built)) in layout.features.iter().zip(&self.built).enumerate() {
            self.feature(feature, head, built.as_deref(), &zeros, out);
        }
        for view in &self.views {
            put(tag::VIEW, &view.encode_to_vec(), out);
        }
    }

    fn feature(&self, feature: usize, head: &Head, built: Option<&[u8]>, zeros: &[u8], out: &mut impl BufMut) {
        let statuses = (!self.served.is_whole(feature)).then(|| self.served.statuses(feature));
        let statuses = statuses.as_ref().map_or(zeros, |statuses| statuses.values());
        let mut views = Vec::new();
        if self.details.told() {
            self.served.depends(feature).iter().for_each(|view| encode_varint(*view as u64, &mut views));
        }
        let rest = sized(statuses.len()) + sized(views.len());
        match (built, self.served.values(feature), head.form) {
            (None, Values::Stored(rows, column), Some(form)) => {
                let whole = rows.is_whole(column);
                let validity = if whole { Vec::new() } else { validity(rows, column) };
                let bytes = form.len(rows, column);
                let values = sized(bytes);
                let named = if self.details.omit_schema { &[][..] } else { &head.column };
                let length = named.len() + sized(validity.len()) + 1 + encoded_len_varint(values as u64) + values;
                begin(tag::FEATURE, 1 + encoded_len_varint(length as u64) + length + rest, out);
                begin(tag::VALUES, length, out);
                out.put_slice(named);
                put_if(tag::VALIDITY, &validity, out);
                begin(form.tag(), values, out);
                if bytes > 0 {
                    begin(tag::PACKED, bytes, out);
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

fn begin(tag: u8, bytes: usize, out: &mut impl BufMut) {
    out.put_u8(tag);
    encode_varint(bytes as u64, out);
}

fn put(tag: u8, bytes: &[u8], out: &mut impl BufMut) {
    begin(tag, bytes.len(), out);
    out.put_slice(bytes);
}

fn put_if(tag: u8, bytes: &[u8], out: &mut impl BufMut) {
    if !bytes.is_empty() {
        put(tag, bytes, out);
    }
}
