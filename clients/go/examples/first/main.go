package main

import (
	"context"
	"fmt"
	"penchant.dev/go"
)

func main() {
	ctx := context.Background()
	client, _ := penchant.Dial("127.0.0.1:50551", penchant.WithReadYourWrites()) // makes no call yet
	fmt.Println(client.UpsertItems(ctx, []penchant.Item{{ID: "shoe", Title: "Running shoe"}, {ID: "sock", Title: "Wool socks"}}))
	fmt.Println(client.Record(ctx, penchant.Event{UserID: "ada", Type: "view", ItemID: "shoe"}))
	fmt.Println(client.Recommend(ctx, "ada", penchant.ListOptions{Explain: true}))
}
