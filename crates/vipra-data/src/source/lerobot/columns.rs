//! Columns out of Parquet files.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, LargeBinaryArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelectionPolicy, RowSelector};

use crate::error::{Error, Result};
use crate::parquet_file;
use crate::rows::{Column, Values};

/// Rows of a batch of pictures: those of a long episode take gigabytes together, and columns of bytes end at 2 GiB.
const MAX_PICTURES_PER_BATCH: usize = 64;

/// Reads the columns whose name `keep` accepts, of all rows or of a range of them.
pub(super) fn read(path: &Path, keep: impl Fn(&str) -> bool, rows: Option<Range<usize>>) -> Result<RecordBatch> {
    let mut builder = projected(path, keep)?;
    if let Some(rows) = rows {
        let selection = vec![RowSelector::skip(rows.start), RowSelector::select(rows.len())];
        builder = builder.with_row_selection(RowSelection::from(selection));
    }
    let reader = builder.build().map_err(|error| parquet_file::explain(path, &error))?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| Error::parquet(path, error))?;
    concat_batches(&schema, &batches).map_err(|error| Error::parquet(path, error))
}

/// Reads a column of pictures in some `rows`, ascending and each once, a few at a time.
pub(super) fn read_pictures<'a>(
    path: &'a Path,
    name: &'a str,
    rows: &[usize],
) -> Result<impl Iterator<Item = Result<LargeBinaryArray>> + use<'a>> {
    let mut next = 0;
    let selectors = rows.iter().flat_map(|&row| {
        let skipped = row - std::mem::replace(&mut next, row + 1);
        [RowSelector::skip(skipped), RowSelector::select(1)]
    });
    let reader = projected(path, |column| column == name)?
        .with_row_selection(selectors.collect())
        // By a mask, the rows between those that are wanted would be kept as well.
        .with_row_selection_policy(RowSelectionPolicy::Selectors)
        .with_batch_size(MAX_PICTURES_PER_BATCH)
        .build()
        .map_err(|error| parquet_file::explain(path, &error))?;
    Ok(reader.map(move |batch| encoded_pictures(&batch.map_err(|error| Error::parquet(path, error))?, name, path)))
}

/// A reader of the columns whose name `keep` accepts.
fn projected(path: &Path, keep: impl Fn(&str) -> bool) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let builder = parquet_file::open(path)?;
    let fields = builder.schema().fields().iter().enumerate();
    let wanted: Vec<usize> = fields.filter(|(_, field)| keep(field.name())).map(|(at, _)| at).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    Ok(builder.with_projection(mask))
}

/// The bytes of a column of pictures, `struct<bytes, path>`.
fn encoded_pictures(batch: &RecordBatch, name: &str, path: &Path) -> Result<LargeBinaryArray> {
    let fault = |reason: &str| Error::column(path, name, reason);
    let bytes = column(batch, name, path)?
        .as_struct_opt()
        .and_then(|pictures| pictures.column_by_name("bytes"))
        .ok_or_else(|| fault("expected struct<bytes, path>"))?;
    let bytes = cast(bytes, &DataType::LargeBinary).map_err(|error| fault(&format!("expected bytes: {error}")))?;
    if bytes.null_count() > 0 {
        return Err(fault("a picture is stored by path only, outside of the file"));
    }
    Ok(bytes.as_binary::<i64>().clone())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BinaryArray, StructArray};
    use arrow::datatypes::Field;
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn pictures_are_read_a_few_at_a_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..200_u8).map(|row| [row])));
        let pictures = StructArray::from(vec![(Arc::new(Field::new("bytes", DataType::Binary, true)), bytes)]);
        let batch = RecordBatch::try_from_iter([("camera", Arc::new(pictures) as ArrayRef)]).unwrap();
        let mut writer = ArrowWriter::try_new(file.as_file(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let rows: Vec<usize> = (10..200).step_by(2).collect();
        let read = read_pictures(file.path(), "camera", &rows).unwrap();
        let read: Vec<LargeBinaryArray> = read.map(Result::unwrap).collect();
        assert!(read.len() > 1 && read.iter().all(|pictures| pictures.len() <= MAX_PICTURES_PER_BATCH));
        let values = read.iter().flat_map(|pictures| pictures.iter().flatten()).map(|bytes| usize::from(bytes[0]));
        assert_eq!(values.collect::<Vec<_>>(), rows);
    }
}
