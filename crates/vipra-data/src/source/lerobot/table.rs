//! Columns out of Parquet files.

use std::ops::Range;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use crate::error::{Error, Result};
use crate::parquet_file;
use crate::rows::{Column, Values};

/// Reads the columns whose name `keep` accepts, of all rows or of a range of them.
pub(super) fn read(path: &Path, keep: impl Fn(&str) -> bool, rows: Option<Range<usize>>) -> Result<RecordBatch> {
    let mut builder = parquet_file::open(path)?;
    let wanted: Vec<usize> = builder
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| keep(field.name()))
        .map(|(at, _)| at)
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    builder = builder.with_projection(mask);
    if let Some(rows) = rows {
        let selection = vec![RowSelector::skip(rows.start), RowSelector::select(rows.len())];
        builder = builder.with_row_selection(RowSelection::from(selection));
    }
    let reader = builder.build().map_err(|error| parquet_file::explain(path, &error))?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| Error::parquet(path, error))?;
    concat_batches(&schema, &batches).map_err(|error| Error::parquet(path, error))
}

/// The column called `name` of a batch.
pub(super) fn column<'a>(batch: &'a RecordBatch, name: &str, path: &Path) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::column(path, name, "the file has no such column"))
}

/// A column of integers, one a row.
pub(super) fn integers(batch: &RecordBatch, name: &str, path: &Path) -> Result<Vec<i64>> {
    match single(batch, name, path)? {
        Values::I64(values) => Ok(values),
        _ => Err(Error::column(path, name, "expected integers")),
    }
}

/// A column of numbers, one a row.
pub(super) fn floats(batch: &RecordBatch, name: &str, path: &Path) -> Result<Vec<f64>> {
    let values = single(batch, name, path)?;
    values.to_f64().ok_or_else(|| Error::column(path, name, "expected numbers"))
}

/// A column with exactly one value a row.
fn single(batch: &RecordBatch, name: &str, path: &Path) -> Result<Values> {
    let values = flatten(column(batch, name, path)?, name, path)?.values;
    if values.len() == batch.num_rows() {
        return Ok(values);
    }
    Err(Error::column(path, name, format!("{} values in {} rows, expected one a row", values.len(), batch.num_rows())))
}

/// A column of texts.
pub(super) fn texts(array: &ArrayRef, name: &str, path: &Path) -> Result<Vec<String>> {
    match flatten(array, name, path)?.values {
        Values::Text(values) => Ok(values),
        _ => Err(Error::column(path, name, "expected text")),
    }
}

/// A column of lists of texts, one list a row.
pub(super) fn text_lists(batch: &RecordBatch, name: &str, path: &Path) -> Result<Vec<Vec<String>>> {
    let array = column(batch, name, path)?;
    let lists = match array.data_type() {
        DataType::List(_) => array.clone(),
        DataType::LargeList(field) => {
            cast(array, &DataType::List(field.clone())).map_err(|error| Error::column(path, name, error.to_string()))?
        }
        other => return Err(Error::column(path, name, format!("expected lists of text, found {other}"))),
    };
    let lists = lists.as_list::<i32>();
    (0..lists.len()).map(|row| texts(&lists.value(row), name, path)).collect()
}

/// Rows of (nested) lists of one element type as one flat column. All rows must have the same number of values.
pub(super) fn flatten(array: &ArrayRef, name: &str, path: &Path) -> Result<Column> {
    let rows = array.len();
    let mut array = array.clone();
    loop {
        if array.null_count() > 0 {
            return Err(Error::column(path, name, format!("{} values are missing", array.null_count())));
        }
        array = match array.data_type() {
            DataType::FixedSizeList(_, _) => inner_of_fixed(array.as_fixed_size_list()),
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                equal_lengths(lists.offsets().lengths(), name, path)?;
                let (from, to) = (lists.offsets()[0] as usize, lists.offsets()[lists.len()] as usize);
                lists.values().slice(from, to - from)
            }
            DataType::LargeList(_) => {
                let lists = array.as_list::<i64>();
                equal_lengths(lists.offsets().lengths(), name, path)?;
                let (from, to) = (lists.offsets()[0] as usize, lists.offsets()[lists.len()] as usize);
                lists.values().slice(from, to - from)
            }
            _ => break,
        };
    }
    let values = values_of(&array, name, path)?;
    let width = values.len().checked_div(rows).unwrap_or(1);
    Ok(Column { width, values })
}

fn inner_of_fixed(lists: &FixedSizeListArray) -> ArrayRef {
    let size = lists.value_length() as usize;
    lists.values().slice(lists.value_offset_at(0), lists.len() * size)
}

fn equal_lengths(mut lengths: impl Iterator<Item = usize>, name: &str, path: &Path) -> Result<()> {
    let Some(first) = lengths.next() else { return Ok(()) };
    match lengths.find(|&length| length != first) {
        Some(other) => Err(Error::column(path, name, format!("rows have {first} and {other} values"))),
        None => Ok(()),
    }
}

fn values_of(array: &ArrayRef, name: &str, path: &Path) -> Result<Values> {
    let fault = |error: arrow::error::ArrowError| Error::column(path, name, error.to_string());
    let exact = |to: &DataType| {
        let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
        arrow::compute::cast_with_options(array, to, &options).map_err(fault)
    };
    Ok(match array.data_type() {
        DataType::Float16 | DataType::Float32 => {
            Values::F32(exact(&DataType::Float32)?.as_primitive::<Float32Type>().values().to_vec())
        }
        DataType::Float64 => Values::F64(array.as_primitive::<Float64Type>().values().to_vec()),
        kind if kind.is_integer() => {
            Values::I64(exact(&DataType::Int64)?.as_primitive::<Int64Type>().values().to_vec())
        }
        DataType::Boolean => Values::Bool(array.as_boolean().values().iter().collect()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = exact(&DataType::Utf8)?;
            Values::Text(texts.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
        }
        other => return Err(Error::column(path, name, format!("values of type {other} are not supported"))),
    })
}
