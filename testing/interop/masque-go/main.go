// A relay and a client of RFC 9298, by github.com/quic-go/masque-go.
//
//	masque-go relay CERTIFICATE KEY
//	    listens on a free port of 127.0.0.1, writes the port, and leads everybody everywhere.
//	masque-go client TEMPLATE CERTIFICATE AUTHORIZATION TARGET
//	    opens a flow to TARGET, writes the status, and then sends each line of its input, in base64, as a UDP
//	    payload, and writes each that comes back.
//
// Both end with their standard input.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/quic-go/masque-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/yosida95/uritemplate/v3"
)

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "relay":
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		log.Fatal(relay(args[1], args[2]))
	case len(args) == 5 && args[0] == "client":
		if err := client(args[1], args[2], args[3], args[4]); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatal("masque-go relay CERTIFICATE KEY | client TEMPLATE CERTIFICATE AUTHORIZATION TARGET")
	}
}

func relay(certificateFile, keyFile string) error {
	certificate, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	proxy := masque.Proxy{}
	handler := func(w http.ResponseWriter, r *http.Request) {
		// Whoever is asked for by name and port is us.
		template, err := uritemplate.New("https://" + r.Host + "/.well-known/masque/udp/{target_host}/{target_port}/")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		request, err := masque.ParseProxyRequest(r, template)
		var malformed *masque.ProxyRequestParseError
		switch {
		case errors.As(err, &malformed):
			w.WriteHeader(malformed.HTTPStatus)
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		default:
			if err := proxy.Proxy(w, request); err != nil {
				log.Print(err)
			}
		}
	}
	server := http3.Server{
		TLSConfig:       http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}}),
		EnableDatagrams: true,
		Handler:         http.HandlerFunc(handler),
	}
	fmt.Println(socket.LocalAddr().(*net.UDPAddr).Port)
	return server.Serve(socket)
}

func client(templateText, certificateFile, authorization, target string) error {
	certificate, err := os.ReadFile(certificateFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		return errors.New("no certificate")
	}
	template, err := uritemplate.New(templateText)
	if err != nil {
		return err
	}
	request, err := masque.NewRequest(context.Background(), template, target)
	if err != nil {
		return err
	}
	request.Header().Set("Authorization", authorization)
	transport := masque.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, NextProtos: []string{http3.NextProtoH3}},
	}
	flow, response, err := transport.Dial(request)
	if response != nil {
		fmt.Println(response.StatusCode)
	}
	if err != nil {
		return err
	}
	defer flow.Close()
	go func() {
		payload := make([]byte, 2048)
		for {
			n, _, err := flow.ReadFrom(payload)
			if err != nil {
				log.Print(err)
				os.Exit(1)
			}
			fmt.Println(base64.StdEncoding.EncodeToString(payload[:n]))
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		payload, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			return err
		}
		if _, err := flow.WriteTo(payload, nil); err != nil {
			return err
		}
	}
	return lines.Err()
}
