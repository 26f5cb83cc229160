module hearth/tools/pause

go 1.25.0
