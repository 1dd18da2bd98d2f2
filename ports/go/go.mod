module microgpt

go 1.24
