package postgres

// Models returns the rows of this module's tables as bun maps them, for drafting migrations.
func Models() []any {
	return []any{
		(*userRow)(nil), (*registrationRow)(nil), (*tokenRow)(nil), (*sessionRow)(nil), (*outboxRow)(nil), (*auditRow)(nil), (*countRow)(nil),
		(*throttleRow)(nil), (*trustedOriginRow)(nil),
	}
}
