module example.com/hongyan

go 1.19
