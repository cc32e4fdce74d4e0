# The image holds the program and nothing else: no shell, no package manager. docs/operations/containers.md says how it is used.
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY cmd cmd
COPY modules modules
COPY platform platform
ARG TARGETOS TARGETARCH VERSION
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags="-s -w -X github.com/tickr/tickr/cmd/tickr/app.version=$VERSION" -o tickr ./cmd/tickr

# Time zones, root certificates, an account without rights.
FROM gcr.io/distroless/static-debian12:nonroot@sha256:afa5c872c891853ca7fcf1f12c3edb23f7eeef36189728842dd51042ff57f7ab
COPY --from=build /src/tickr /tickr
USER 65532:65532
ENV APP_ENV=production
EXPOSE 3000 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --start-interval=1s --retries=3 CMD ["/tickr", "health"]
ENTRYPOINT ["/tickr"]
CMD ["serve"]
