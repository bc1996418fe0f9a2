// What `make test-trace` runs on. Jaeger is no module that can be installed by its name alone: one of
// its dependencies asks for a library under a name that it gave up.
module landfall/servers

go 1.26

tool github.com/jaegertracing/jaeger/cmd/jaeger

require github.com/jaegertracing/jaeger v1.76.0

replace github.com/Shopify/sarama => github.com/Shopify/sarama v1.33.0
