// Package webhooktest helps to test programs that send webhooks.
package webhooktest
