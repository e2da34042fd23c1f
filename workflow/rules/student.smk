# A cell's job trains all its seeds and grid points that are not there yet. Small cells share a
# job, and of large ones each seed has a job: JOBS says which. With `exec` a signal that ends a job
# reaches the program, which then saves its state.


rule seed:
    input:
        lambda w: JOBS.inputs("seed", w.job),
    output:
        STORE / "seed/{job}/record.json",
    log:
        LOGS / "seed/{job}.log",
    benchmark:
        PATHS.benchmarks / "seed/{job}.tsv"
    priority: lambda w: JOBS.priority("seed", w.job)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("seed", w.job),
    message:
        "train {params.key}"
    shell:
        "exec pdbench cell {params.study:q} {params.key} --threads {threads} > {log} 2>&1"


# What the jobs of its seeds have trained, a cell's job finds done.
rule cell:
    input:
        lambda w: JOBS.inputs("cell", w.job),
    output:
        STORE / "cell/{job}/record.json",
    log:
        LOGS / "cell/{job}.log",
    benchmark:
        PATHS.benchmarks / "cell/{job}.tsv"
    priority: lambda w: JOBS.priority("cell", w.job)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("cell", w.job),
    message:
        "train {params.key}"
    shell:
        "exec pdbench cell {params.study:q} {params.key} --threads {threads} > {log} 2>&1"


rule bundle:
    input:
        lambda w: JOBS.inputs("bundle", w.job),
    output:
        STORE / "bundle/{job}/record.json",
    log:
        LOGS / "bundle/{job}.log",
    benchmark:
        PATHS.benchmarks / "bundle/{job}.tsv"
    priority: lambda w: JOBS.priority("bundle", w.job)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("bundle", w.job),
        title=lambda w: JOBS.job("bundle", w.job).key.title,
    message:
        "train {params.title}"
    shell:
        "exec pdbench cells {params.study:q} {params.key} --then {output}"
        " --threads {threads} > {log} 2>&1"


rule latency:
    input:
        JOBS.inputs("latency"),
    output:
        PATHS.latency,
    log:
        LOGS / "latency.log",
    benchmark:
        PATHS.benchmarks / "latency.tsv"
    priority: JOBS.priority("latency")
    conda:
        "../envs/pdbench.yaml"
    # Nothing may run beside a measurement of time.
    threads: os.cpu_count()
    params:
        study=ARGUMENT,
    message:
        "time every size"
    shell:
        "pdbench latency {params.study:q} > {log} 2>&1"
