"""A callback endpoint as it is usually written: 200 when Kafka has it. Nothing is verified, nothing is kept on disk."""

import os
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request, Response


@asynccontextmanager
async def lifespan(app):
    producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True
    )
    await producer.start()
    app.state.producer = producer
    yield
    await producer.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/callbacks/{source}")
async def callback(request: Request):
    event = await request.json()
    body = await request.body()
    await app.state.producer.send_and_wait(os.environ["TOPIC"], body, key=event["stream_id"].encode())
    return Response('{"code":0}', media_type="application/json")
