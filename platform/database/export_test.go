package database

// Describe is describe.
var Describe = describe
