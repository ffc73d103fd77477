//! Ids as PostgreSQL knows them: UUIDs. (The driver can do this itself, under a feature that drags its SQLite in.)

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, Postgres};

/// Sixteen bytes that are sent as a UUID.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uuid(pub(super) [u8; 16]);

pub(super) fn uuid(id: impl Into<[u8; 16]>) -> Uuid {
    Uuid(id.into())
}

/// As the server's catalogue has them, in every version.
const UUID: Oid = Oid(2950);
const UUIDS: Oid = Oid(2951);

impl sqlx::Type<Postgres> for Uuid {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUID)
    }
}

impl PgHasArrayType for Uuid {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUIDS)
    }
}

impl sqlx::Encode<'_, Postgres> for Uuid {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
}
