//! Operations and events as Parquet files: columns with types, compressed, in groups of rows that each fit into memory.

use std::io::{self, Write};
use std::sync::Arc;

use comeback_runs::read::Recorded;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use parquet::schema::types::{Type, TypePtr};

use super::Exporter;
use super::columns::{self, Cells, Column, OF_EVENTS, OF_OPERATIONS};

/// How many rows are a group: they are in memory together.
const ROWS: usize = 65_536;

pub(super) const OPERATIONS: Exporter = Exporter {
    name: "parquet",
    about: "Operations as a Parquet file, for DuckDB, pandas and their kin",
    check: |_| Ok(()),
    write: |run: &Recorded, to| write(columns::operations(run)?, &OF_OPERATIONS, to),
};

pub(super) const EVENTS: Exporter = Exporter {
    name: "events-parquet",
    about: "Events as a Parquet file: when, trial, arm, type, and the rest as JSON",
    check: |_| Ok(()),
    write: |run: &Recorded, to| write(columns::events(run)?, &OF_EVENTS, to),
};

fn write<T>(
    mut rows: impl Iterator<Item = io::Result<T>>,
    columns: &[Column<T>],
    to: &mut (dyn Write + Send),
) -> io::Result<()> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let schema = schema_of(columns).map_err(plain)?;
    let mut file =
        SerializedFileWriter::new(to, schema, Arc::new(properties.build())).map_err(plain)?;
    loop {
        let group: io::Result<Vec<T>> = rows.by_ref().take(ROWS).collect();
        let group = group?;
        if group.is_empty() {
            break;
        }
        let mut written = file.next_row_group().map_err(plain)?;
        write_group(&mut written, columns, &group).map_err(plain)?;
        written.close().map_err(plain)?;
    }
    file.close().map_err(plain)?;
    Ok(())
}

/// Every column may lack a value.
fn schema_of<T>(columns: &[Column<T>]) -> Result<TypePtr, ParquetError> {
    let fields = columns.iter().map(|column| {
        let (physical, logical) = match column.cells {
            Cells::Whole(_) => (Physical::INT64, None),
            Cells::Flag(_) => (Physical::BOOLEAN, None),
            Cells::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        Ok(Arc::new(field.build()?))
    });
    let fields: Result<Vec<_>, ParquetError> = fields.collect();
    let whole = Type::group_type_builder("comeback").with_fields(fields?);
    Ok(Arc::new(whole.build()?))
}

fn write_group<T>(
    group: &mut SerializedRowGroupWriter<'_, &mut (dyn Write + Send)>,
    columns: &[Column<T>],
    rows: &[T],
) -> Result<(), ParquetError> {
    for column in columns {
        let Some(mut to) = group.next_column()? else {
            return Err(ParquetError::General(format!(
                "{} has no place",
                column.name
            )));
        };
        match column.cells {
            Cells::Whole(of) => write_cells::<Int64Type>(&mut to, rows.iter().map(of))?,
            Cells::Flag(of) => write_cells::<BoolType>(&mut to, rows.iter().map(of))?,
            Cells::Text(of) => {
                let texts = rows
                    .iter()
                    .map(|row| of(row).map(|text| ByteArray::from(text.into_bytes())));
                write_cells::<ByteArrayType>(&mut to, texts)?;
            }
        }
        to.close()?;
    }
    Ok(())
}

/// Writes what there is, and where.
fn write_cells<D: DataType>(
    to: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = Option<D::T>>,
) -> Result<(), ParquetError> {
    let cells: Vec<Option<D::T>> = cells.collect();
    let levels: Vec<i16> = cells.iter().map(|cell| cell.is_some().into()).collect();
    let there: Vec<D::T> = cells.into_iter().flatten().collect();
    to.typed::<D>().write_batch(&there, Some(&levels), None)?;
    Ok(())
}

/// The error of the file or the pipe itself, if it is one.
fn plain(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}
