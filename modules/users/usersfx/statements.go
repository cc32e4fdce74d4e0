package usersfx

import "github.com/tickr/tickr/modules/users/internal/adapters/postgres"

// Statement is something that the module asks of PostgreSQL.
type Statement = postgres.Statement

// Statements returns all that the module asks of PostgreSQL, with arguments as they occur now, for operators to explain.
func Statements() []Statement { return postgres.Catalogue(now()) }
