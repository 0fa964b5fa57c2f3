//! Opening Parquet files, whatever happened to them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use crate::error::{Error, Result};

/// A Parquet file whose footer makes sense.
pub(crate) fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| explain(path, &error))?;
    check_places(builder.metadata(), path)?;
    Ok(builder)
}

/// A column that begins before the file does: the library would panic.
fn check_places(metadata: &ParquetMetaData, path: &Path) -> Result<()> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    let starts_before_the_file = |column: &&ColumnChunkMetaData| {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        start < 0 || column.compressed_size() < 0
    };
    match columns.into_iter().find(starts_before_the_file) {
        Some(column) => {
            let reason = "its place in the file is a negative number: the file is damaged";
            Err(Error::column(path, &column.column_path().string(), reason))
        }
        None => Ok(()),
    }
}

/// A file without its footer was being written when its writer died; say so (lerobot #3522).
pub(crate) fn explain(path: &Path, error: &ParquetError) -> Error {
    match begins_but_does_not_end(path) {
        Ok(true) => Error::parquet(path, "the file has no footer: its recording was not finished, or it was cut off"),
        Ok(false) | Err(_) => Error::parquet(path, error),
    }
}

/// Parquet files begin and end with the same four bytes.
fn begins_but_does_not_end(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let (mut first, mut last) = ([0; 4], [0; 4]);
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::End(-4))?;
    file.read_exact(&mut last)?;
    Ok(&first == b"PAR1" && &last != b"PAR1")
}
