package migrate_test

import (
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/tickr/tickr/platform/database/migrate"
)

// item is the model of shop.items.
type item struct {
	bun.BaseModel `bun:"table:shop.items,alias:i"`

	columns
}

type columns struct {
	ID   int
	Name *string
}

func (s *MigrateSuite) draft(models ...any) migrate.Draft {
	d, err := s.migrator(shop).Draft(s.T().Context(), "shop", models)
	s.Require().NoError(err)
	return d
}

// drafted applies a draft to its database, undoes it, and applies it again.
func (s *MigrateSuite) drafted(d migrate.Draft) {
	before := s.schema()
	m := s.migrator(shop, files("20260102000000_draft.tx.up.sql", d.Up, "20260102000000_draft.tx.down.sql", d.Down))
	_, err := m.Up(s.T().Context())
	s.Require().NoError(err)
	_, err = m.Down(s.T().Context())
	s.Require().NoError(err)
	s.Equal(before, s.schema())
}

func (s *MigrateSuite) TestDraftOfNothing() {
	s.up(shop)
	s.exec(`CREATE INDEX idx ON shop.items (name); CREATE SCHEMA other; CREATE TABLE other.items (x int);
		ALTER TABLE shop.items ADD COLUMN later text NOT NULL DEFAULT 'x', ADD CONSTRAINT c CHECK (later <> '')`)
	before := s.schema()
	s.Zero(s.draft((*item)(nil)), "what only the database has stays, and so do tables without a model")
	s.Equal(before, s.schema())
}

func (s *MigrateSuite) TestDraftOfAColumn() {
	type wider struct {
		bun.BaseModel `bun:"table:shop.items,alias:i"`

		columns
		Color *string `bun:"type:varchar(20)"`
	}
	s.up(shop)
	d := s.draft((*wider)(nil))
	s.Equal(migrate.Draft{
		Up:   `ALTER TABLE "shop"."items" ADD COLUMN IF NOT EXISTS "color" varchar(20);` + "\n",
		Down: `ALTER TABLE "shop"."items" DROP COLUMN IF EXISTS "color";` + "\n",
	}, d)
	s.drafted(d)
}

// TestDraftDoesNotRename: a new column of the type of one without a field is a column of its own.
func (s *MigrateSuite) TestDraftDoesNotRename() {
	type renamed struct {
		bun.BaseModel `bun:"table:shop.items,alias:i"`

		ID    int
		Title string    `bun:",default:''"`
		Seen  time.Time `bun:",nullzero"`
		Maker uuid.UUID
	}
	s.up(shop)
	d := s.draft((*renamed)(nil))
	s.Equal(`ALTER TABLE "shop"."items" ADD COLUMN IF NOT EXISTS "title" varchar DEFAULT '' NOT NULL;
ALTER TABLE "shop"."items" ADD COLUMN IF NOT EXISTS "seen" timestamp;
-- The field cannot hold NULL, which rows that exist will have: add DEFAULT and NOT NULL here, or a pointer there.
ALTER TABLE "shop"."items" ADD COLUMN IF NOT EXISTS "maker" uuid;
`, d.Up)
	s.Equal(`ALTER TABLE "shop"."items" DROP COLUMN IF EXISTS "maker";
ALTER TABLE "shop"."items" DROP COLUMN IF EXISTS "seen";
ALTER TABLE "shop"."items" DROP COLUMN IF EXISTS "title";
`, d.Down)
	s.drafted(d)
}

// TestDraftCommentsOutWhatIsDangerous, and only what a tag asks for: types have many spellings.
func (s *MigrateSuite) TestDraftCommentsOutWhatIsDangerous() {
	type spelt struct {
		bun.BaseModel `bun:"table:shop.items,alias:i"`

		ID   int64  `bun:",pk,type:INT4"`
		Name string `bun:"type:text,default:'new'"`
	}
	type other struct {
		bun.BaseModel `bun:"table:shop.items,alias:i"`

		ID   int64   `bun:",pk,type:bigint"`
		Name *string `bun:",notnull"`
	}
	s.up(shop)
	s.Zero(s.draft((*spelt)(nil)))
	s.exec(`ALTER TABLE shop.items ALTER COLUMN name DROP NOT NULL`)
	d := s.draft((*other)(nil))
	s.Equal(`-- It may rewrite the table, while nobody can read or write: prefer another column, filled in batches.
-- ALTER TABLE "shop"."items" ALTER COLUMN "id" TYPE bigint;
-- It reads the whole table, while nobody can read or write: validate a CHECK in an earlier migration.
-- ALTER TABLE "shop"."items" ALTER COLUMN "name" SET NOT NULL;
`, d.Up)
	s.Equal(`-- It reads the whole table, while nobody can read or write: validate a CHECK in an earlier migration.
-- ALTER TABLE "shop"."items" ALTER COLUMN "name" DROP NOT NULL;
-- It may rewrite the table, while nobody can read or write: prefer another column, filled in batches.
-- ALTER TABLE "shop"."items" ALTER COLUMN "id" TYPE integer;
`, d.Down)
	s.drafted(d)
}

func (s *MigrateSuite) TestDraftOfATable() {
	type maker struct {
		bun.BaseModel `bun:"table:shop.makers,alias:m"`

		ID     uuid.UUID
		Name   string
		Since  time.Time
		Logo   []byte
		Parent *uuid.UUID
		Rank   int64 `bun:"order"`
	}
	s.up(shop)
	d := s.draft((*item)(nil), (*maker)(nil))
	s.Equal(migrate.Draft{
		Up: `CREATE TABLE IF NOT EXISTS "shop"."makers" (
  "id" uuid NOT NULL,
  "name" varchar NOT NULL,
  "since" timestamp NOT NULL,
  "logo" bytea,
  "parent" uuid,
  "order" bigint NOT NULL,
  CONSTRAINT "PK_makers" PRIMARY KEY ("id")
);
`,
		Down: `DROP TABLE IF EXISTS "shop"."makers";` + "\n",
	}, d)
	s.drafted(d)
	s.Equal(d, s.draft((*item)(nil), (*maker)(nil)), "the order is that of the models")
}

func (s *MigrateSuite) TestDraftOfASchema() {
	type first struct {
		bun.BaseModel `bun:"table:store.first,alias:f"`

		ID int
	}
	s.up(shop)
	d, err := s.migrator(shop).Draft(s.T().Context(), "store", []any{(*item)(nil), (*first)(nil)})
	s.NoError(err)
	s.Contains(d.Up, `CREATE SCHEMA IF NOT EXISTS "store";`)
	s.NotContains(d.Up, "shop")
	s.drafted(d)
}

func (s *MigrateSuite) TestDraftRefuses() {
	_, err := s.migrator(shop).Draft(s.T().Context(), "shop", []any{(*item)(nil)})
	s.ErrorContains(err, "20260101000000_create_shop", "it is pending")
	s.up(shop)
	_, err = s.migrator(shop).Draft(s.T().Context(), "sohp", []any{(*item)(nil)})
	s.ErrorContains(err, "sohp")
	type typo struct {
		bun.BaseModel `bun:"table:shop.items,alias:i"`

		Color string `bun:"type:varhcar"`
	}
	_, err = s.migrator(shop).Draft(s.T().Context(), "shop", []any{(*typo)(nil)})
	s.ErrorContains(err, `type "varhcar" does not exist`)
}
