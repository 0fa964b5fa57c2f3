//! Columns into Parquet files.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray,
    RecordBatch, StringArray, StructArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::feature::{DType, Feature};
use crate::rows::Values;

/// Options of every Parquet file: snappy, as the lerobot library writes them.
pub(super) fn properties() -> WriterProperties {
    WriterProperties::builder().set_compression(Compression::SNAPPY).build()
}

/// Writes batches as one file, a row group each.
pub(super) fn write(path: &Path, batches: &[RecordBatch]) -> Result<()> {
    let fault = |error: parquet::errors::ParquetError| Error::parquet(path, error);
    let Some(first) = batches.first() else { return Err(Error::parquet(path, "nothing to write")) };
    let file = File::create(path).map_err(|error| Error::io(path, error))?;
    let mut writer = ArrowWriter::try_new(file, first.schema(), Some(properties())).map_err(fault)?;
    for batch in batches {
        writer.write(batch).map_err(fault)?;
        writer.flush().map_err(fault)?;
    }
    let file = writer.into_inner().map_err(fault)?;
    file.sync_all().map_err(|error| Error::io(path, error))
}

/// The column of a feature with `rows` rows (interfaces b.4): plain for one value a row, fixed-size lists for a vector,
/// nested lists beyond.
pub(super) fn feature_column(
    name: &str,
    feature: &Feature,
    values: &Values,
    rows: usize,
    path: &Path,
) -> Result<ArrayRef> {
    if values.len() != rows * feature.width() {
        let what = format!("values of `{name}`");
        return Err(Error::Size { what, expected: rows * feature.width(), found: values.len() });
    }
    let fault = |reason: String| Error::column(path, name, reason);
    let (plain, kind) = plain_column(values, &feature.dtype);
    let kind = kind.ok_or_else(|| fault(format!("such values cannot be stored as {}", feature.dtype.as_str())))?;
    let options = CastOptions { safe: false, ..Default::default() };
    let plain = cast_with_options(&plain, &kind, &options).map_err(|error| fault(error.to_string()))?;
    match feature.shape[..] {
        [] | [1] => Ok(plain),
        [width] => {
            let field = Arc::new(Field::new("element", kind, true));
            let list = FixedSizeListArray::try_new(field, width as i32, plain, None);
            list.map(|list| Arc::new(list) as ArrayRef).map_err(|error| fault(error.to_string()))
        }
        ref shape => nested_lists(plain, shape, rows).map_err(|error| fault(error.to_string())),
    }
}

/// The values as an array, and the type they are to be stored as.
fn plain_column(values: &Values, dtype: &DType) -> (ArrayRef, Option<DataType>) {
    let array: ArrayRef = match values {
        Values::F32(values) => Arc::new(Float32Array::from(values.clone())),
        Values::F64(values) => Arc::new(Float64Array::from(values.clone())),
        Values::I64(values) => Arc::new(Int64Array::from(values.clone())),
        Values::Bool(values) => Arc::new(BooleanArray::from(values.clone())),
        Values::Text(values) => Arc::new(StringArray::from_iter_values(values)),
    };
    let kind = match (values, dtype) {
        (Values::F32(_) | Values::F64(_), DType::Float16) => Some(DataType::Float16),
        (Values::F32(_) | Values::F64(_), DType::Float32) => Some(DataType::Float32),
        (Values::F32(_) | Values::F64(_), DType::Float64) => Some(DataType::Float64),
        (Values::I64(_), DType::Int8) => Some(DataType::Int8),
        (Values::I64(_), DType::Int16) => Some(DataType::Int16),
        (Values::I64(_), DType::Int32) => Some(DataType::Int32),
        (Values::I64(_), DType::Int64) => Some(DataType::Int64),
        (Values::I64(_), DType::Uint8) => Some(DataType::UInt8),
        (Values::I64(_), DType::Uint16) => Some(DataType::UInt16),
        (Values::I64(_), DType::Uint32) => Some(DataType::UInt32),
        (Values::I64(_), DType::Uint64) => Some(DataType::UInt64),
        (Values::Bool(_), DType::Bool) => Some(DataType::Boolean),
        (Values::Text(_), DType::String) => Some(DataType::Utf8),
        _ => None,
    };
    (array, kind)
}

/// `rows` rows of `shape` as lists of lists.
fn nested_lists(plain: ArrayRef, shape: &[usize], rows: usize) -> Result<ArrayRef, arrow::error::ArrowError> {
    let mut array = plain;
    for depth in (0..shape.len()).rev() {
        let lists = rows * shape[..depth].iter().product::<usize>();
        let offsets = ScalarBuffer::from_iter((0..=lists).map(|list| (list * shape[depth]) as i32));
        let field = Arc::new(Field::new("element", array.data_type().clone(), true));
        array = Arc::new(ListArray::try_new(field, OffsetBuffer::new(offsets), array, None)?);
    }
    Ok(array)
}

/// Statistics, one row of `shape` an episode.
pub(super) fn statistics_column(values: Vec<f64>, shape: &[usize], rows: usize, path: &Path) -> Result<ArrayRef> {
    let plain: ArrayRef = Arc::new(Float64Array::from(values));
    nested_lists(plain, shape, rows).map_err(|error| Error::parquet(path, error))
}

/// One list of numbers a row, each of one number.
pub(super) fn count_column(counts: Vec<i64>, path: &Path) -> Result<ArrayRef> {
    let rows = counts.len();
    nested_lists(Arc::new(Int64Array::from(counts)), &[1], rows).map_err(|error| Error::parquet(path, error))
}

/// One list of texts a row.
pub(super) fn text_lists(rows: &[Vec<String>], path: &Path) -> Result<ArrayRef> {
    let field = Arc::new(Field::new("element", DataType::Utf8, true));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().flatten()));
    let lengths = OffsetBuffer::from_lengths(rows.iter().map(Vec::len));
    let lists = ListArray::try_new(field, lengths, texts, None).map_err(|error| Error::parquet(path, error))?;
    Ok(Arc::new(lists))
}

/// Pictures as `struct<bytes, path>`.
pub(super) fn picture_column(pictures: &[Vec<u8>], path: &Path) -> Result<ArrayRef> {
    let bytes: usize = pictures.iter().map(Vec::len).sum();
    if i32::try_from(bytes).is_err() {
        let reason = format!("{bytes} bytes of stored pictures in one episode: Parquet columns of bytes end at 2 GiB");
        return Err(Error::parquet(path, reason));
    }
    let names = (0..pictures.len()).map(|frame| format!("frame-{frame:06}.png"));
    let fields =
        Fields::from(vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(BinaryArray::from_iter_values(pictures)), Arc::new(StringArray::from_iter_values(names))];
    let array = StructArray::try_new(fields, columns, None).map_err(|error| Error::parquet(path, error))?;
    Ok(Arc::new(array))
}

/// A batch of named columns.
pub(super) fn batch(columns: Vec<(String, ArrayRef)>, path: &Path) -> Result<RecordBatch> {
    batch_with_metadata(columns, Default::default(), path)
}

/// A batch of named columns with schema metadata.
pub(super) fn batch_with_metadata(
    columns: Vec<(String, ArrayRef)>,
    metadata: std::collections::HashMap<String, String>,
    path: &Path,
) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    let schema = Schema::new_with_metadata(fields, metadata);
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(|error| Error::parquet(path, error))
}
