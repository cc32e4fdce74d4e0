module github.com/tickr/tickr/test

go 1.26.0

require github.com/tickr/tickr v0.0.0

replace github.com/tickr/tickr => ../
