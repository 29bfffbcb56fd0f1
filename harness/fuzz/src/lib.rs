//! What the fuzz targets hold true, for any bytes.

pub mod checks;
