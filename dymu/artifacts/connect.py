"""Connections to object storage; endpoint, region and credentials come from the environment."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, MemoryStore, ObjectStore, S3Store

from dymu.artifacts.bucket import Bucket, reason_of
from dymu.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

SCHEMES = ("s3", "gs", "az")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")

# Training is to outlive a storage that is away for a while; a beat that is late is better left out.
_PATIENT: "RetryConfig" = {"max_retries": 1000, "retry_timeout": timedelta(seconds=180)}
_QUICK: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
_PATIENT_REQUEST_S = 600  # a large file is one request
_QUICK_REQUEST_S = 10


def open_bucket(location: str) -> Bucket:
    """Connect to ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``.

    Endpoint, region and credentials come from the environment (``AWS_...``, ``GOOGLE_...``, ``AZURE_...``).

    Raises:
        StoreError: If the location names no bucket, or the environment does not make sense.
    """
    parts = urlsplit(location)
    if parts.scheme not in SCHEMES or not parts.netloc or parts.query or parts.fragment:
        raise StoreError(f"{location} names no bucket; expected s3://bucket/prefix, or gs:// or az:// so.")
    prefix = "/".join(part for part in parts.path.split("/") if part)
    try:
        patient = _client(parts.scheme, parts.netloc, seconds=_PATIENT_REQUEST_S, retries=_PATIENT)
        quick = _client(parts.scheme, parts.netloc, seconds=_QUICK_REQUEST_S, retries=_QUICK)
    except (BaseError, ValueError) as error:
        raise StoreError(f"cannot use {location}: {reason_of(error, location)}") from error
    clean = f"{parts.scheme}://{parts.netloc}" + (f"/{prefix}" if prefix else "")
    return Bucket(patient, quick=quick, location=clean, prefix=prefix)


def memory_bucket(location: str = "memory://") -> Bucket:
    """A bucket in the memory of this process, to test what needs no server."""
    store = MemoryStore()
    return Bucket(store, quick=store, location=location)


def _client(scheme: str, bucket: str, *, seconds: int, retries: "RetryConfig") -> ObjectStore:
    options: ClientConfig = {"timeout": timedelta(seconds=seconds), "connect_timeout": timedelta(seconds=5)}
    if scheme == "gs":
        return GCSStore(bucket, client_options=options, retry_config=retries)
    if scheme == "az":
        return AzureStore(bucket, client_options=options, retry_config=retries)
    return S3Store(bucket, client_options={**options, "allow_http": _may_be_plain()}, retry_config=retries)


def _may_be_plain() -> bool:
    """Whether the S3 endpoint may be spoken to without encryption: on this machine, or if told so."""
    name = next((name for name in _ENDPOINTS if os.environ.get(name)), "")
    endpoint = urlsplit(os.environ.get(name, ""))
    if endpoint.scheme != "http":
        return False
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
    if endpoint.hostname in _LOOPBACK or allowed:
        return True
    raise StoreError(
        f"{name} is {endpoint.geturl()}: data would not be encrypted. Use https, or set AWS_ALLOW_HTTP=true."
    )
