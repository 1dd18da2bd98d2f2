module microgpt

go 1.22
