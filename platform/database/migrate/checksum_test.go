package migrate_test

import "testing/fstest"

// edited is shop with another text in its up file.
func edited(text string) fstest.MapFS {
	return files("20260101000000_create_shop.tx.up.sql", text, "20260101000000_create_shop.tx.down.sql", "DROP SCHEMA shop CASCADE")
}

const shopUp = "sql/20260101000000_create_shop.tx.up.sql"

func (s *MigrateSuite) TestChangedFile() {
	s.up(shop)
	changed := s.migrator(edited(string(shop[shopUp].Data)+"\nDROP TABLE shop.items;"), prices)

	status, err := changed.Status(s.T().Context())
	s.NoError(err)
	s.Require().Len(status.Applied, 1)
	s.True(status.Applied[0].Changed)
	pending, err := changed.Pending(s.T().Context(), s.db.Handle)
	s.NoError(err)
	s.Equal([]string{"20260102000000_add_price"}, pending, "what is applied is not pending, changed or not")

	applied, err := changed.Up(s.T().Context())
	s.EqualError(err, "changed after it was applied: 20260101000000_create_shop; put the file back, and write a new migration instead")
	s.Empty(applied)
	s.Equal("1", s.log())

	s.Len(s.up(shop, prices), 1, "once it is put back")
}

func (s *MigrateSuite) TestChangedFileCanBeUndone() {
	s.up(shop)
	changed := s.migrator(edited("CREATE SCHEMA shop; CREATE TABLE shop.log (migration int NOT NULL)"))
	_, err := changed.Down(s.T().Context())
	s.NoError(err)
	applied, err := changed.Up(s.T().Context())
	s.NoError(err)
	s.Len(applied, 1)
	status, err := changed.Status(s.T().Context())
	s.NoError(err)
	s.False(status.Applied[0].Changed)
}

func (s *MigrateSuite) TestWhiteSpaceAtLineEndsIsNoChange() {
	s.up(edited("CREATE SCHEMA shop;\nCREATE TABLE shop.log (migration int);\n"))
	for _, same := range []string{
		"CREATE SCHEMA shop;\r\nCREATE TABLE shop.log (migration int);\r\n",
		"CREATE SCHEMA shop;  \nCREATE TABLE shop.log (migration int);\t",
		"CREATE SCHEMA shop;\n\n\nCREATE TABLE shop.log (migration int);\n\n",
	} {
		s.Empty(s.up(edited(same)))
	}
	for _, other := range []string{
		"CREATE SCHEMA shop; CREATE TABLE shop.log (migration int);\n",
		"CREATE SCHEMA shop;\n  CREATE TABLE shop.log (migration int);\n",
	} {
		_, err := s.migrator(edited(other)).Up(s.T().Context())
		s.ErrorContains(err, "changed after it was applied")
	}
}

// TestHistoryFromBeforeChecksums: its files are taken to be those that were applied.
func (s *MigrateSuite) TestHistoryFromBeforeChecksums() {
	s.up(shop)
	s.exec(`ALTER TABLE public.bun_migrations DROP COLUMN checksum`)
	status, err := s.migrator(shop, prices).Status(s.T().Context())
	s.NoError(err)
	s.Require().Len(status.Applied, 1)
	s.False(status.Applied[0].Changed)

	s.Len(s.up(shop, prices), 1)
	_, err = s.migrator(edited("CREATE SCHEMA shop"), prices).Up(s.T().Context())
	s.ErrorContains(err, "20260101000000_create_shop")
}

// TestChecksumComesWithItsMigration: a process that dies after the commit has left both.
func (s *MigrateSuite) TestChecksumComesWithItsMigration() {
	s.killAsleep(child(s.T(), s.db.DSN, "slow history"))
	s.Equal("2", s.value(`SELECT count(checksum)::text FROM public.bun_migrations`))
}
